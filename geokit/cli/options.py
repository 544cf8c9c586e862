"""Types of options that several verbs share. Nothing here, or in a verb's file at import, may import torch."""

from typing import Annotated, Literal

import tyro

Switch = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    tyro.conf.arg(
        metavar="{auto,cpu,cuda}",
        help="Where to compute. auto: an NVIDIA GPU that geokit's kernels run on (geokit doctor tells), else the CPU.",
    ),
]
Debug = Annotated[bool, tyro.conf.arg(help="Show the traceback of an error.", help_behavior_hint="")]
