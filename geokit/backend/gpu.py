"""The native layer on NVIDIA GPUs: which kernels a device can run, on which stream, and what stands in the way.

The module `geokit._cuda` holds the kernels where geokit was built with nvcc. It is imported with the first tensor on a
GPU, so that nothing else needs a driver.
"""

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import one_device
from geokit.errors import InvalidInput, MissingDependency, OutOfMemory

DEVICES_WITHOUT_KERNELS = ("mps", "xpu", "hpu")  # that torch computes on
_BUILD = "GEOKIT_CUDA=ON pip install . in geokit's source, with CUDA's nvcc on the PATH"

Function = Callable[..., Any]


class Kernels:
    """The functions of a kernel module, called on one stream."""

    def __init__(self, module: Any, stream: int) -> None:
        self._module, self._stream = module, stream

    def __getattr__(self, name: str) -> Function:
        return functools.partial(getattr(self._module, name), self._stream)


def kernels(device: torch.device) -> Kernels:
    """The kernels on the current stream of `device`.

    Raises `MissingDependency` with what to do where this build of geokit has no code for it.
    """
    reason = obstacle(torch.cuda.current_device() if device.index is None else device.index)
    if reason is not None:
        raise MissingDependency(reason)
    return Kernels(_module(), torch.cuda.current_stream(device).cuda_stream)


def available() -> bool:
    """Whether there is a GPU that geokit's kernels run on."""
    return torch.cuda.is_available() and obstacle(0) is None


def kernels_built() -> tuple[list[str], int, int] | None:
    """What the kernels of this build are for: architectures as CMake writes them, the version of CUDA, and the newest
    one that the driver knows (0 without a driver); None where there are none."""
    try:
        module = _module()
    except ImportError:
        return None
    return module and (module.architectures().split(), module.toolkit_version(), module.driver_version())


@functools.cache
def obstacle(index: int) -> str | None:
    """Why geokit's kernels do not run on GPU number `index`, and the cure; None where they do."""
    if torch.version.hip is not None:
        return "this torch computes on AMD GPUs, and geokit has kernels for NVIDIA GPUs only: use the CPU"
    if importlib.util.find_spec("geokit._cuda") is None:
        return (
            "this geokit was built without kernels for GPUs: use the CPU (--device cpu, or tensor.cpu()), or build it "
            f"with them: {_BUILD}"
        )
    try:
        module = _module()
    except ImportError as error:
        return f"geokit's kernels for GPUs cannot be loaded ({error}): use the CPU, or build them again: {_BUILD}"
    return unsuited(
        torch.cuda.get_device_name(index),
        torch.cuda.get_device_capability(index),
        module.architectures().split(),
        module.toolkit_version(),
        module.driver_version(),
    )


def unsuited(
    name: str, capability: tuple[int, int], architectures: Sequence[str], toolkit: int, driver: int
) -> str | None:
    """Why code for `architectures` (as CMake writes them) does not run on a GPU of that capability and driver."""
    if driver // 1000 < toolkit // 1000:
        found = f"knows CUDA {_version(driver)}" if driver else "does not answer"
        return (
            f"geokit's kernels were built with CUDA {_version(toolkit)}, but the driver here {found}: "
            "update the driver, or build geokit with the older CUDA"
        )
    if runs(capability, architectures, ptx=driver >= toolkit):
        return None
    have, code = ".".join(map(str, capability)), ", ".join(architectures)
    if runs(capability, architectures):
        return (
            f"for the {name}, of compute capability {have}, the driver has to compile the code that this geokit has "
            f"({code}), and it knows CUDA {_version(driver)}, older than the {_version(toolkit)} of that code: update "
            f"the driver, or build geokit for this GPU: CUDAARCHS={have.replace('.', '')} {_BUILD}"
        )
    return (
        f"the {name} has compute capability {have}, and this geokit has code for {code}: use the CPU, or build geokit "
        f"for it: CUDAARCHS={have.replace('.', '')} {_BUILD}"
    )


def runs(capability: tuple[int, int], architectures: Sequence[str], ptx: bool = True) -> bool:
    """Whether there is code for a GPU: '75-real' is machine code, '80-virtual' PTX, '90' both.

    Machine code runs on later GPUs of its generation and PTX on every later one, if the driver compiles it (`ptx`).
    Code for '90a' runs on that GPU alone, code for '100f' on its generation.
    """
    have = 10 * capability[0] + capability[1]
    for text in architectures:
        number, only, kind = re.fullmatch(r"(\d+)([af]?)(-real|-virtual)?", text).groups()  # type: ignore[union-attr]
        code = int(number)
        same = have == code if only == "a" else have // 10 == code // 10
        machine, portable = kind != "-virtual", ptx and kind != "-real"
        if code <= have and ((same and machine) or (portable and (same or not only))):
            return True
    return False


def on_one_device(function: Function, name: str, parameters: Sequence[str]) -> Function:
    """`function` for arguments that are all on one GPU, made the current one; memory that runs out is a sentence."""
    return _guarded(lambda _device, arguments, options: function(*arguments, **options), function, name, parameters)


def through_the_cpu(function: Function, name: str, parameters: Sequence[str]) -> Function:
    """`function`, which has no kernel for GPUs, on copies of its arguments; the results go back to where they were."""

    def carried(device: torch.device, arguments: Any, options: Any) -> Any:
        return moved(function(*moved(arguments, "cpu"), **moved(options, "cpu")), device)

    return _guarded(carried, function, name, parameters)


def _guarded(inside: Function, function: Function, name: str, parameters: Sequence[str]) -> Function:
    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        device = one_device((*zip(parameters, arguments), *options.items()))
        try:
            with torch.cuda.device(device):
                return inside(device, arguments, options)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(name, device) from error

    return called


def refusal(name: str, device: str) -> Function:
    """What an operator does with tensors of a device that geokit has no kernels for."""

    def called(*_arguments: Any, **_options: Any) -> Any:
        raise InvalidInput(
            f"{_plain_name(name)} has kernels for the CPU and for NVIDIA GPUs, but its tensors are on {device}: "
            "move them with .cpu()"
        )

    return called


def out_of_memory(what: str, device: torch.device | None) -> OutOfMemory:
    """The error of a GPU whose memory is used up."""
    free, total = torch.cuda.mem_get_info(device)
    left = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB"
    return OutOfMemory(
        f"{_plain_name(what)} needs more memory than {device} has left ({left}): "
        "take smaller pictures, fewer splats or points, or the CPU"
    )


def moved(value: Any, device: torch.device | str) -> Any:
    """The value with all tensors in it on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (list, tuple)):
        return type(value)([moved(part, device) for part in value])
    return {name: moved(part, device) for name, part in value.items()} if isinstance(value, dict) else value


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _plain_name(name: str) -> str:
    return name.removeprefix("geokit::").replace("_", " ")


def _module() -> Any:
    return importlib.import_module("geokit._cuda")
