"""The native layer, and how its operators are made of it.

`geokit._native` computes on the CPU; it is imported after torch so that both share one OpenMP thread pool. What
computes on a GPU is in `geokit.backend.gpu`.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.library import CustomOpDef

import geokit._native as _native
from geokit.backend import gpu
from geokit.backend.checks import one_device

__all__ = ["_native", "custom_op", "for_all_devices", "native_of", "plain"]

Function = Callable[..., Any]
GPU_FUNCTIONS: dict[str, Function] = {}  # what each operator does with tensors on a GPU


def native_of(tensor: Tensor) -> Any:
    """The kernels for the tensor's device: the native module, or its GPU half on the current stream."""
    return _native if tensor.device.type == "cpu" else gpu.kernels(tensor.device)


def custom_op(
    name: str, mutates_args: Iterable[str] = (), *, cuda: Function | bool = False
) -> Callable[[Function], CustomOpDef]:
    """`torch.library.custom_op` of a function for the CPU, and for GPUs: `cuda` is True where the same function does
    (it calls `native_of`), or another function; without one the operator carries its tensors to the CPU and back.

    The first call does not import the compiler of torch. Torch wraps the functions given to `custom_op` so that
    torch.compile does not look into them, which imports torch._dynamo when the first is called: 1 to 2 s that no
    command without torch.compile needs. A function registered by `torch.library.impl` is called by the dispatcher
    alone, and is as opaque to torch.compile.
    """

    def register(function: Function) -> CustomOpDef:
        operator = torch.library.custom_op(name, function, mutates_args=mutates_args, device_types=())
        torch.library.impl(name, "cpu", function)
        parameters = tuple(inspect.signature(function).parameters)
        if cuda:
            GPU_FUNCTIONS[name] = gpu.on_one_device(function if cuda is True else cuda, name, parameters)
        elif mutates_args:
            raise ValueError(f"{name} changes its arguments: copies of them on the CPU do not serve")
        else:
            GPU_FUNCTIONS[name] = gpu.through_the_cpu(function, name, parameters)
        torch.library.impl(name, "cuda", GPU_FUNCTIONS[name])
        for other in gpu.DEVICES_WITHOUT_KERNELS:
            torch.library.impl(name, other, gpu.refusal(name, other))
        return operator

    return register


def for_all_devices(function: Function) -> Function:
    """A function for the CPU that is no operator: with tensors on a GPU it goes through the CPU, as operators do."""
    parameters = tuple(inspect.signature(function).parameters)
    carried = gpu.through_the_cpu(function, function.__name__, parameters)

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        device = one_device((*zip(parameters, arguments), *options.items()))
        if device is None or device.type == "cpu":
            return function(*arguments, **options)
        return (carried if device.type == "cuda" else gpu.refusal(function.__name__, device.type))(
            *arguments, **options
        )

    return called


def plain(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as the native layer takes them: detached and contiguous."""
    return tuple(t.detach().contiguous() for t in tensors)
