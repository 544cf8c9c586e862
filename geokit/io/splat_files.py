"""Splat scenes as files: .ply (everything), .splat and .spz (smaller, lossy, without waves)."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.splats import Splats
from geokit.io.safe import atomic_write, read_bytes
from geokit.io.splat_binary import read_splat, write_splat
from geokit.io.splat_ply import read_splat_ply, write_splat_ply
from geokit.io.spz import read_spz, write_spz

_READERS: dict[str, Callable[[Path, bytes], Splats]] = {".ply": read_splat_ply, ".splat": read_splat, ".spz": read_spz}
_WRITERS: dict[str, Callable[[Splats], bytes]] = {".ply": write_splat_ply, ".splat": write_splat, ".spz": write_spz}
_ROWS = 1 << 14  # splats looked at together


def load_splats(path: str | Path, drop_nonfinite: bool = False) -> Splats:
    """Read a scene by its ending: float32 `Splats` on the CPU, in the frame of the file (.spz: turned to .ply's axes).

    drop_nonfinite: leave out splats with NaN or infinite values, with a warning; they are refused otherwise.
    Raises `UnreadableFile` for anything damaged, lying or of another kind.
    """
    splats, bad = load_sound_splats(path)
    if bad and not drop_nonfinite:
        raise UnreadableFile(
            f"{path} has {bad} of {bad + len(splats)} splats with NaN or infinite values or a zero rotation; leave "
            "them out with --drop-nonfinite of geokit convert (drop_nonfinite=True in Python)"
        )
    if bad:
        warnings.warn(f"{path}: left out {bad} splats with NaN or infinite values or a zero rotation", stacklevel=2)
    return splats


def load_sound_splats(path: str | Path) -> tuple[Splats, int]:
    """As `load_splats`, without the splats with NaN or infinite values or a zero rotation; and how many those are."""
    path = Path(path)
    read = _READERS[_known_ending(path)]
    splats = read(path, read_bytes(path, "splat file"))
    finite = torch.ones(len(splats), dtype=torch.bool)
    for tensor in splats.tensors().values():
        for rows, good in zip(tensor.split(_ROWS), finite.split(_ROWS)):  # torch.isfinite takes as much as its argument
            good &= torch.isfinite(rows[:, None]).flatten(1).all(1)
    finite &= (splats.quats != 0).any(1)
    bad = len(splats) - int(finite.sum())
    return (splats[finite] if bad else splats), bad


def save_splats(path: str | Path, splats: Splats) -> None:
    """Write a scene by the ending, atomically.

    .ply keeps everything as float32. .splat keeps positions, scales, colours of degree 0 and bytes for the rest; .spz
    keeps all of a Gaussian, quantised. What a format cannot hold is dropped with a warning that says so.
    """
    path = Path(path)
    ending = _known_ending(path)
    for name, tensor in splats.tensors().items():
        if not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise InvalidInput(
                f"{path} was not written: {name} has {bad} values that are NaN or infinite; remove those splats first"
            )
    lost = []
    if splats.waves and ending != ".ply":
        lost.append("Gabor waves (only their envelopes are written)")
    if splats.sh_degree and ending == ".splat":
        lost.append(f"spherical harmonics above degree 0 (the scene has degree {splats.sh_degree})")
    if lost:
        warnings.warn(f"{path}: {ending} cannot hold {' and '.join(lost)}; write a .ply to keep them", stacklevel=2)
    content = _WRITERS[ending](splats.map(lambda t: t.detach().to("cpu", torch.float32)))
    with atomic_write(path) as file:
        file.write(content)


def _known_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in _READERS:
        raise InvalidInput(
            f"{path}: splat files end in .ply, .splat or .spz, not {ending or 'in nothing'}; rename or convert it"
        )
    return ending
