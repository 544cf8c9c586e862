"""Types of options that several verbs share. Nothing here, or in a verb's file at import, may import torch."""

from typing import Annotated

import tyro

Switch = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
Debug = Annotated[bool, tyro.conf.arg(help="Show the traceback of an error.", help_behavior_hint="")]
