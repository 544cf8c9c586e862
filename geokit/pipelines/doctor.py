"""What is installed, and whether it computes."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass

import torch

import geokit
from geokit.backend import gpu
from geokit.backend.native import _native
from geokit.errors import GeokitError, OutOfMemory
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
        _gpu_kernels(),
        *_gpus(),
        *(_optional(*entry) for entry in _OPTIONAL),
        self_test(),
        *([self_test("cuda")] if gpu.available() else []),
    ]


def _gpu_kernels() -> Check:
    built = gpu.kernels_built()
    if built is None:
        return Check("GPU kernels", "not in this build, which computes on the CPU")
    architectures, toolkit, driver = built
    knows = f"the driver knows CUDA {_version(driver)}" if driver else "no driver answers"
    return Check("GPU kernels", f"for {', '.join(architectures)}, built with CUDA {_version(toolkit)}; {knows}")


def _gpus() -> list[Check]:
    """Every GPU that torch sees, and what keeps geokit from computing on it."""
    if not torch.cuda.is_available():
        why = "" if torch.version.cuda or torch.version.hip else "; this torch is for the CPU alone"
        return [Check("GPU", f"none that torch sees{why}")]
    return [_gpu(i) for i in range(torch.cuda.device_count())]


def _gpu(index: int) -> Check:
    facts = torch.cuda.get_device_properties(index)
    found = f"{facts.name}, {facts.total_memory / 2**30:.1f} GiB, compute capability {facts.major}.{facts.minor}"
    reason = gpu.obstacle(index)
    return Check(f"GPU {index}", found, reason is None, reason or "")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _optional(names: tuple[str, ...], use: str, extra: str) -> Check:
    for name in names:
        try:
            return Check(name, f"{importlib.metadata.version(name)} ({use})")
        except importlib.metadata.PackageNotFoundError:
            continue
    return Check(names[0], f"not installed ({use})", cure=f"pip install 'geokit[{extra}]'")


def self_test(device: str = "cpu") -> Check:
    """Render one splat on a device and compare the pixel at its centre with opacity times colour."""
    opacity, color = 0.75, 0.8
    splat = Splats(
        means=torch.tensor([[0.0, 0.0, 2.0]]),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        log_scales=torch.full((1, 3), 0.2).log(),
        logit_opacities=torch.tensor([opacity]).logit(),
        sh_coeffs=torch.full((1, 1, 3), (color - 0.5) / SH_C0),
    )
    K = torch.tensor([[[20.0, 0, 8.5], [0, 20, 8.5], [0, 0, 1]]])
    camera, wanted = Cameras(torch.eye(4)[None], K, ((17, 17),)), opacity * color
    name, cure = "self test", "install geokit again"
    if device != "cpu":
        name, cure = "self test on the GPU", "use --device cpu and report this with the output of nvidia-smi"
    try:
        with torch.no_grad():
            seen = float(render(splat.to(device), camera.to(device)).image[8, 8, 0])
    except (GeokitError, RuntimeError) as error:  # torch's own are of the latter kind
        if isinstance(error, OutOfMemory) or "out of memory" in str(error):
            cure = "free memory on the GPU (nvidia-smi)"
        return Check(name, f"one splat could not be rendered: {error}", False, cure)
    if abs(seen - wanted) < 1e-4:
        return Check(name, f"one splat rendered: {seen:.4f}, as it should be")
    return Check(name, f"one splat rendered: {seen:.4f} instead of {wanted:.4f}", False, cure)
