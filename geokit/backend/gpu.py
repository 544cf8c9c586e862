"""The native layer on NVIDIA GPUs: which kernels a device can run, on which stream, and what stands in the way.

The module `geokit._cuda` holds the kernels where geokit was built with nvcc. It is imported with the first tensor on a
GPU, so that nothing else needs a driver.
"""

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

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
    _check(device.index or 0)
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
    module = _module()
    if torch.version.hip is not None:
        return "this torch computes on AMD GPUs, and geokit has kernels for NVIDIA GPUs only: use the CPU"
    if module is None:
        return (
            "this geokit was built without kernels for GPUs: use the CPU (--device cpu, or tensor.cpu()), or build it "
            f"with them: {_BUILD}"
        )
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
    if not runs(capability, architectures):
        return (
            f"the {name} has compute capability {capability[0]}.{capability[1]}, and this geokit has code for "
            f"{', '.join(architectures)}: use the CPU, or build geokit for it: "
            f"CUDAARCHS={capability[0]}{capability[1]} {_BUILD}"
        )
    return None


def runs(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Machine code runs on later GPUs of its generation, PTX on every later one: '75-real', '80-virtual', '90' both."""
    have = capability[0] * 10 + capability[1]
    for text in architectures:
        number, _, kind = text.partition("-")
        code = int(number)
        if kind != "virtual" and code // 10 == capability[0] and code <= have:
            return True
        if kind != "real" and code <= have:
            return True
    return False


def on_one_device(function: Function, name: str, parameters: Sequence[str]) -> Function:
    """`function` for arguments that are all on one GPU, made the current one; memory that runs out is a sentence."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        device = one_device(name, parameters, arguments)
        try:
            with torch.cuda.device(device):
                return function(*arguments, **options)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(name, device) from error

    return called


def through_the_cpu(function: Function, name: str, parameters: Sequence[str]) -> Function:
    """`function`, which has no kernel for GPUs, on copies of its arguments; the results go back to where they were."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        device = one_device(name, parameters, arguments)
        return _moved(function(*_moved(arguments, torch.device("cpu")), **options), device)

    return called


def refusal(name: str, device: str) -> Function:
    """What an operator does with tensors of a device that geokit has no kernels for."""

    def called(*_arguments: Any, **_options: Any) -> Any:
        raise InvalidInput(
            f"{_plain_name(name)} has kernels for the CPU and for NVIDIA GPUs, but its tensors are on {device}: "
            "move them with .cpu()"
        )

    return called


def one_device(name: str, parameters: Sequence[str], arguments: Sequence[Any]) -> torch.device:
    """The device that all tensors among `arguments` are on; raises `InvalidInput`, naming them, if they are not."""
    found: dict[torch.device, str] = {}
    for parameter, argument in zip(parameters, arguments):
        for tensor in _tensors(argument):
            found.setdefault(tensor.device, parameter)
    if len(found) > 1:
        places = " and ".join(f"{parameter} on {device}" for device, parameter in found.items())
        raise InvalidInput(f"{_plain_name(name)} takes tensors on one device, got {places}: move them with .to(device)")
    return next(iter(found))


def out_of_memory(what: str, device: torch.device) -> OutOfMemory:
    """The error of a GPU whose memory is used up."""
    free, total = torch.cuda.mem_get_info(device)
    left = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB"
    return OutOfMemory(
        f"{_plain_name(what)} needs more memory than {device} has left ({left}): "
        "take smaller pictures, fewer splats or points, or the CPU"
    )


def _tensors(argument: Any) -> Iterator[Tensor]:
    if isinstance(argument, Tensor):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for part in argument:
            yield from _tensors(part)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(part, device) for part in value)
    return value


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _plain_name(name: str) -> str:
    return name.removeprefix("geokit::").replace("_", " ")


@functools.cache
def _module() -> Any:
    try:
        return importlib.import_module("geokit._cuda")
    except ImportError:
        return None


def _check(index: int) -> None:
    reason = obstacle(index)
    if reason is not None:
        raise MissingDependency(reason)
