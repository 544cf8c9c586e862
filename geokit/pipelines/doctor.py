"""What is installed, and whether it computes."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass

import torch

import geokit
from geokit.backend.native import _native
from geokit.geometry import Cameras, Splats
from geokit.geometry.splats import SH_C0
from geokit.splatting import render

# What an extra brings: any of the distributions, what it is for, the extra.
_OPTIONAL = (
    (("pycolmap",), "poses for plain folders of photographs, COLMAP models", "colmap"),
    (("open3d-cpu", "open3d"), "surfaces from points and from reconstructions", "surfaces"),
    (("scikit-image",), "surfaces of fields", "surfaces"),
    (("fast-simplification",), "fewer faces", "surfaces"),
    (("lazrs",), "compressed scans, .laz", "scans"),
)


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, whether that is well, and a cure where it is not."""

    name: str
    found: str
    good: bool = True
    cure: str = ""


def examine() -> list[Check]:
    """Everything that a report of a problem should say about this machine and installation."""
    return [
        Check("geokit", geokit.__version__),
        Check("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Check("torch", torch.__version__),
        Check("native module", str(_native.__file__)),
        Check("CPU level", _native.cpu_level()),
        Check("threads", f"{_native.thread_count()} of {os.cpu_count()} processors"),
        _cuda(),
        *(_optional(*entry) for entry in _OPTIONAL),
        self_test(),
    ]


def _cuda() -> Check:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return Check("CUDA", f"CPU kernels only; GPU that torch sees: {gpu}")


def _optional(names: tuple[str, ...], use: str, extra: str) -> Check:
    for name in names:
        try:
            return Check(name, f"{importlib.metadata.version(name)} ({use})")
        except importlib.metadata.PackageNotFoundError:
            continue
    return Check(names[0], f"not installed ({use})", cure=f"pip install 'geokit[{extra}]'")


def self_test() -> Check:
    """Render one splat and compare the pixel at its centre with opacity times colour."""
    opacity, color = 0.75, 0.8
    splat = Splats(
        means=torch.tensor([[0.0, 0.0, 2.0]]),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        log_scales=torch.full((1, 3), 0.2).log(),
        logit_opacities=torch.tensor([opacity]).logit(),
        sh_coeffs=torch.full((1, 1, 3), (color - 0.5) / SH_C0),
    )
    K = torch.tensor([[[20.0, 0, 8.5], [0, 20, 8.5], [0, 0, 1]]])
    with torch.no_grad():
        seen = float(render(splat, Cameras(torch.eye(4)[None], K, ((17, 17),))).image[8, 8, 0])
    wanted = opacity * color
    if abs(seen - wanted) < 1e-4:
        return Check("self test", f"one splat rendered: {seen:.4f}, as it should be")
    return Check("self test", f"one splat rendered: {seen:.4f} instead of {wanted:.4f}", False, "install geokit again")
