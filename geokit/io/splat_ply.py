"""The .ply of 3D Gaussian splatting (Kerbl et al. 2023), with Gabor waves as extra properties.

One element `vertex`, all float: x y z, nx ny nz (zero), f_dc_0..2, f_rest_0..(3 (B - 1) - 1) channel by channel (all
of red, then green, then blue), opacity (logit), scale_0..2 (natural logarithm), rot_0..3 (w x y z, any length).

A wave k = 0, 1, ... of a Gabor primitive (see `Splats`) adds wave_k_fx, wave_k_fy, wave_k_fz (cycles per unit length,
world axes), wave_k_cos and wave_k_sin (the weights a_k and b_k), or, with weights of their own for each colour channel,
wave_k_cos_0..2 and wave_k_sin_0..2. A viewer that goes by name does not see them and shows the Gaussian envelopes.

Reading is by property name: any order, any number type, both byte orders and ascii, other properties ignored.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.splats import Splats
from geokit.io.ply import parse_header, read_vertices, write_vertices
from geokit.io.ply_header import Header

_REQUIRED = (
    *("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
_REST = (0, 9, 24, 45)
_WAVE = re.compile(r"wave_(\d{1,4})_")


def is_splat_ply(path: str | Path) -> bool:
    """Whether the header of a .ply names the properties of a splat scene; `UnreadableFile` when it is no .ply."""
    path = Path(path)
    with open(path, "rb") as file:
        return is_splat_header(parse_header(path, file.read(1 << 20)))


def is_splat_header(header: Header) -> bool:
    """Whether a header names the properties of a splat scene, plain or compressed as PlayCanvas does."""
    vertex, chunk = header.element("vertex"), header.element("chunk")
    names = {p.name for p in vertex.properties} if vertex else set()
    return names.issuperset(_REQUIRED) or (chunk is not None and "packed_position" in names)


def read_splat_ply(path: Path, data: bytes) -> Splats:
    """The splats in `data`, the content of `path`; `UnreadableFile` when a property is missing or a count lies."""
    if b"element chunk" in data[:4096] and b"packed_position" in data[:4096]:
        raise UnreadableFile(
            f"{path} is a compressed .ply of PlayCanvas; turn it into a plain .ply with splat-transform first"
        )
    columns = read_vertices(path, _REQUIRED, "splats", data)

    def gather(*names: str) -> torch.Tensor:
        with np.errstate(over="ignore"):
            return torch.from_numpy(np.stack([columns[name].astype(np.float32) for name in names], axis=1))

    rest = sum(1 for name in columns if re.fullmatch(r"f_rest_\d+", name))
    names = [f"f_rest_{i}" for i in range(rest)]
    if rest not in _REST or not all(name in columns for name in names):
        raise UnreadableFile(
            f"{path} has {rest} properties f_rest_*, wanted 0, 9, 24 or 45 numbered from 0; export it again"
        )
    sh = gather("f_dc_0", "f_dc_1", "f_dc_2")[:, None, :]
    if rest:
        sh = torch.cat([sh, gather(*names).reshape(-1, 3, rest // 3).transpose(1, 2)], dim=1).contiguous()
    return Splats(
        gather("x", "y", "z"),
        gather("rot_0", "rot_1", "rot_2", "rot_3"),
        gather("scale_0", "scale_1", "scale_2"),
        gather("opacity")[:, 0],
        sh,
        **_read_waves(path, columns, gather),
    )


def _read_waves(
    path: Path, columns: Mapping[str, np.ndarray], gather: Callable[..., torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The fields of a `Splats` that describe its waves; none for plain Gaussians."""
    found = {int(match[1]) for match in map(_WAVE.match, columns) if match}
    if not found:
        return {}
    wanted = [_wave_names(k, per_channel=f"wave_{min(found)}_cos_0" in columns) for k in range(len(found))]
    missing = [name for names in wanted for name in names if name not in columns]
    if missing:
        raise UnreadableFile(f"{path} has Gabor waves without the properties {', '.join(missing[:6])}; export it again")
    frequencies = torch.stack([gather(*names[:3]) for names in wanted], dim=1)
    pairs = [gather(*names[3:]) for names in wanted]
    weights = torch.stack([p.reshape(len(p), 2, 3) if p.shape[1] == 6 else p for p in pairs], dim=1)
    return {"wave_frequencies": frequencies, "wave_weights": weights}


def _wave_names(k: int, per_channel: bool) -> list[str]:
    """The properties of wave k: frequency, then cosine, then sine weights."""
    channels = ["_0", "_1", "_2"] if per_channel else [""]
    weights = [f"wave_{k}_{part}{channel}" for part in ("cos", "sin") for channel in channels]
    return [f"wave_{k}_fx", f"wave_{k}_fy", f"wave_{k}_fz", *weights]


def write_splat_ply(splats: Splats) -> bytes:
    """The complete .ply of float32 splats on the CPU."""
    n, bases = len(splats), splats.sh_coeffs.shape[1]
    blocks = [
        (["x", "y", "z"], splats.means),
        (["nx", "ny", "nz"], torch.zeros(n, 3)),
        (["f_dc_0", "f_dc_1", "f_dc_2"], splats.sh_coeffs[:, 0]),
        (
            [f"f_rest_{i}" for i in range(3 * (bases - 1))],
            splats.sh_coeffs[:, 1:].transpose(1, 2).reshape(n, 3 * (bases - 1)),
        ),
        (["opacity"], splats.logit_opacities[:, None]),
        (["scale_0", "scale_1", "scale_2"], splats.log_scales),
        (["rot_0", "rot_1", "rot_2", "rot_3"], splats.quats),
    ]
    for k in range(splats.waves):
        weights = splats.wave_weights[:, k].flatten(1)
        blocks.append(
            (_wave_names(k, weights.shape[1] == 6), torch.cat([splats.wave_frequencies[:, k], weights], dim=1))
        )
    names = [name for block, _ in blocks for name in block]
    table = torch.cat([values for _, values in blocks], dim=1).numpy()
    comments = ["written by geokit"]
    if splats.waves:
        comments.append("wave_k_*: Gabor waves, frequency in cycles per unit length, weights of cosine and sine")
    return write_vertices({name: table[:, i] for i, name in enumerate(names)}, comments)
