"""The .splat format: 32 bytes a splat, no header (by convention of antimatter15's viewer).

Position and linear scale as three float32 each, colour and opacity as four bytes, rotation (w, x, y, z) as bytes
128 + 128 q. No spherical harmonics above degree 0.
"""

from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.splats import SH_C0, Splats

_ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def read_splat(path: Path, data: bytes) -> Splats:
    """The splats in `data`, the content of `path`."""
    if len(data) % _ROW.itemsize:
        raise UnreadableFile(
            f"{path} has {len(data)} bytes, which is no multiple of {_ROW.itemsize}; "
            "it is truncated or no .splat: copy or export it again"
        )
    rows = np.frombuffer(data, _ROW)
    if (rows["scale"] < 0).any():
        raise UnreadableFile(f"{path} has negative scales; it is damaged or no .splat: export it again")
    color = rows["rgba"][:, :3].astype(np.float32) / 255
    # a quarter of a step inside (0, 1), so that the logit is finite and rounds back to the same byte
    alpha = torch.from_numpy(rows["rgba"][:, 3].astype(np.float32)).clamp(0.25, 254.75) / 255
    return Splats(
        torch.from_numpy(rows["position"].astype(np.float32)),
        torch.from_numpy((rows["rotation"].astype(np.float32) - 128) / 128),
        torch.from_numpy(np.log(np.maximum(rows["scale"].astype(np.float32), np.finfo(np.float32).tiny))),
        torch.logit(alpha),
        torch.from_numpy((color - 0.5) / np.float32(SH_C0))[:, None, :],
    )


def write_splat(splats: Splats) -> bytes:
    """The bytes of float32 splats on the CPU; waves and harmonics above degree 0 are left out."""
    rows = np.empty(len(splats), _ROW)
    rows["position"] = splats.means.numpy()
    rows["scale"] = splats.log_scales.exp().numpy()
    color = 0.5 + SH_C0 * splats.sh_coeffs[:, 0]
    rgba = torch.cat([color, splats.logit_opacities.sigmoid()[:, None]], dim=1)
    rows["rgba"] = (rgba * 255).round().clamp(0, 255).numpy()
    unit = torch.nn.functional.normalize(splats.quats, dim=1)
    rows["rotation"] = (unit * 128 + 128).round().clamp(0, 255).numpy()
    return rows.tobytes()
