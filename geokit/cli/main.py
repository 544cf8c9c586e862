"""The command `geokit`."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import tyro

import geokit
from geokit.cli.compare import Compare
from geokit.cli.convert import Convert
from geokit.cli.doctor import Doctor
from geokit.cli.fit import Fit
from geokit.cli.geodesic import Geodesic
from geokit.cli.info import Info
from geokit.cli.match import Match
from geokit.cli.mesh import Mesh
from geokit.cli.pipes import printing
from geokit.cli.reconstruct import Reconstruct
from geokit.cli.register import Register
from geokit.cli.render import Render
from geokit.cli.spectrum import Spectrum
from geokit.cli.train import Train
from geokit.cli.view import View

_DESCRIPTION = """Computing with 3D shapes.

To begin with photographs: geokit reconstruct FOLDER_OF_PHOTOGRAPHS --output out --downscale 4

To begin with a mesh or a scan: geokit info FILE

geokit VERB --help explains a verb, geokit --version tells the version."""
_USAGE, _BUG, _STOPPED = 2, 1, 130
_NO_MEMORY = "there is not enough memory; try a larger --downscale or fewer splats"
_TORCH_NO_MEMORY = ("DefaultCPUAllocator", "out of memory")  # torch raises a RuntimeError


class Verb(Protocol):
    """What the dataclass of a verb has besides its options."""

    debug: bool

    def run(self) -> int:
        """Do it; returns the exit code."""


VERBS: dict[str, Callable[..., Verb]] = {
    "reconstruct": Reconstruct,
    "view": View,
    "render": Render,
    "info": Info,
    "convert": Convert,
    "compare": Compare,
    "register": Register,
    "match": Match,
    "mesh": Mesh,
    "fit": Fit,
    "spectrum": Spectrum,
    "geodesic": Geodesic,
    "train": Train,
    "doctor": Doctor,
}


def parse(arguments: Sequence[str]) -> Verb:
    """The verb with its options. Ends the process after --help and for options that do not exist."""
    return tyro.extras.subcommand_cli_from_dict(
        VERBS, prog="geokit", description=_DESCRIPTION, args=arguments, config=(tyro.conf.FlagCreatePairsOff,)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 2 the user's to correct (one sentence says what), 130 stopped, 1 a bug."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--version"]:
        print(f"geokit {geokit.__version__}")
        return 0
    # Set before torch starts its threads: they otherwise burn a core for milliseconds after every parallel region, and
    # on a busy machine wait for each other.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    verb: Verb | None = None
    with printing():  # of --help
        verb = parse(arguments or ["--help"])
    if verb is None:
        return 0
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(verb)


def _run(verb: Verb) -> int:
    """Run a verb; every failure becomes one sentence and an exit code."""
    try:
        return verb.run()
    except geokit.GeokitError as error:
        return _fail(str(error), _USAGE, verb.debug)
    except KeyboardInterrupt as error:
        return _fail(str(error) or "stopped; there was nothing to save yet", _STOPPED, False)
    except MemoryError:
        return _fail(_NO_MEMORY, _USAGE, verb.debug)
    except OSError as error:
        if error.filename is None:
            return _bug(error, verb.debug)
        sentence = f"{error.filename} cannot be used ({error.strerror}); check its permissions and the disk"
        return _fail(sentence, _USAGE, verb.debug)
    except Exception as error:
        if isinstance(error, RuntimeError) and any(words in str(error) for words in _TORCH_NO_MEMORY):
            return _fail(_NO_MEMORY, _USAGE, verb.debug)
        return _bug(error, verb.debug)


def _bug(error: Exception, debug: bool) -> int:
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _fail(f"this is a mistake of geokit itself ({what}); --debug shows where", _BUG, debug)


def _fail(sentence: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"geokit: {sentence}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"geokit: note: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
