"""Which device computes: what "auto", "cpu" and "cuda" mean on this machine."""

import torch

from geokit.backend import gpu
from geokit.errors import InvalidInput, MissingDependency


def chosen_device(name: str) -> torch.device:
    """The device that a user means. auto: the GPU where geokit's kernels run on one, else the CPU.

    Raises `InvalidInput` for another word and where there is no GPU, `MissingDependency` where geokit's kernels do not
    run on it.
    """
    if name == "cpu":
        return torch.device("cpu")
    if name == "auto":
        return torch.device("cuda" if gpu.available() else "cpu")
    if name != "cuda":
        raise InvalidInput(f"the device must be auto, cpu or cuda, got {name!r}")
    if not torch.cuda.is_available():
        raise InvalidInput(f"--device cuda needs an NVIDIA GPU, but {no_gpu()}; leave --device out or use cpu")
    reason = gpu.obstacle(0)
    if reason is not None:
        raise MissingDependency(reason)
    return torch.device("cuda")


def unused_gpu() -> str | None:
    """Why "auto" leaves a GPU that is there to others; None where it is used, or where there is none."""
    return gpu.obstacle(0) if torch.cuda.is_available() else None


def no_gpu() -> str:
    """Why torch sees no GPU, and what tells more."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch was built for the CPU alone (pytorch.org/get-started has those for CUDA)"
    return "torch finds none (nvidia-smi tells whether the driver does)"


def device_name(device: torch.device) -> str:
    """The device as people call it: "CPU", or what the GPU's maker calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
