"""A GPU for torch where there is none: tensors that say they are on cuda:0 and are computed on the CPU.

As on a GPU, an operation of torch raises where its tensors are on both devices (a single number may be anywhere, and so
may the indices of a GPU's tensor), numpy takes none of them, and a generator must be the device's. Operators of geokit
do what they do on a GPU, with the kernels that are given.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from geokit.backend import gpu, native

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
_aten = torch.ops.aten
_COPIES = {_aten.copy_.default, _aten._to_copy.default}
_INDEXES = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}


class OnGpu(Tensor):
    """A tensor that says it is on a GPU. Torch itself takes it for one of the device "meta": it has no data there."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnGpu":
        strided = inner.layout == torch.strided  # of a sparse one torch sees the shape
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.shape,
            strides=inner.stride() if strided else None,
            storage_offset=inner.storage_offset() if strided else None,
            dtype=inner.dtype,
            device="meta",
        )
        made.inner = inner
        return made

    device = property(lambda self: GPU)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = is_meta = property(lambda self: False)  # type: ignore[assignment]
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, _types: Any, arguments: Any = (), options: Any = None) -> Any:
        return _compute(function, arguments, options or {})

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            copied._is_param = True  # type: ignore[attr-defined]
        return memo.setdefault(id(self), copied)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnGpu({self.inner})"


class PretendKernels:
    """The functions of a kernel module, for such tensors."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            for argument in arguments:
                if isinstance(argument, Tensor) and not isinstance(argument, OnGpu):
                    raise RuntimeError(f"a tensor of the CPU is given to the GPU's {name}")
            return getattr(self._module, name)(0, *map(_inner, arguments))

        return called


@contextmanager
def pretend_gpu(module: Any = None) -> Iterator[None]:
    """The device "cuda" can be used as if there was one, with the kernels of `module` (None: those there are)."""
    kernels = (lambda _device: PretendKernels(module)) if module else gpu.kernels
    lifts = torch._C._only_lift_cpu_tensors()  # type: ignore[attr-defined]
    torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]
    try:
        with (
            mock.patch.object(torch.cuda, "_lazy_init", mock.Mock()),
            mock.patch.object(torch.cuda, "device", mock.MagicMock()),
            mock.patch.object(gpu, "kernels", kernels),
            _Devices(),
            _Operations(),
        ):
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(lifts)  # type: ignore[attr-defined]


class _Operations(TorchDispatchMode):
    pass


def _dispatched(_mode: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    return _compute(function, args, kwargs or {})


# Of a class that is made with it, torch would call it through its compiler, whose import and calls cost seconds.
_Operations.__torch_dispatch__ = _dispatched  # type: ignore[method-assign]


class _Devices(TorchFunctionMode):
    """What would ask for the real device before an operation begins."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tuple(map(_numbered, args)), {name: _numbered(value) for name, value in (kwargs or {}).items()}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        if function is Tensor.new_tensor and isinstance(args[0], OnGpu):
            return torch.tensor(args[1], **{"dtype": args[0].dtype, **kwargs}).to(GPU)
        if function in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], OnGpu):
            args = (args[0], _with_tensors(args[1]), *args[2:])
        if function is Tensor.cuda:
            return args[0].to(GPU)
        if function is Tensor.to and isinstance(args[0], OnGpu) and args[1:] == (GPU,):
            return args[0]
        if function is Tensor.tolist and isinstance(args[0], OnGpu):
            return args[0].detach().inner.tolist()
        return function(*args, **kwargs)


def _numbered(value: Any) -> Any:
    """Torch asks the driver for the number of "cuda"."""
    return GPU if isinstance(value, (str, torch.device)) and str(value) == "cuda" else value


def _with_tensors(index: Any) -> Any:
    """Torch would put a list among indices into memory that is not there."""
    if isinstance(index, list):
        return torch.tensor(index).to(GPU)
    return tuple(map(_with_tensors, index)) if isinstance(index, tuple) else index


def _inner(value: Any) -> Any:
    if isinstance(value, torch.device):
        return CPU
    return value.inner if isinstance(value, OnGpu) else value


def _compute(function: Any, arguments: Any, options: Any) -> Any:
    leaves = list(_leaves((arguments, options)))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    here = any(isinstance(t, OnGpu) for t in tensors)
    if not here and not any(isinstance(leaf, torch.device) for leaf in leaves):
        return function(*arguments, **options)
    if function.namespace == "geokit" and here:
        with _Devices(), _Operations():
            return native.GPU_FUNCTIONS[function._schema.name](*arguments, **options)
    with _Operations():
        parts = function.decompose(*arguments, **options)  # what torch itself makes of other operations
    if parts is not NotImplemented:
        return parts
    if here and function not in _COPIES:
        strict = tensors
        if function in _INDEXES and isinstance(arguments[0], OnGpu):  # indices may be on the CPU
            strict = [t for t in arguments[2:] if isinstance(t, Tensor)]
        others = [tuple(t.shape) for t in strict if not isinstance(t, OnGpu) and t.dim()]
        if others:
            raise RuntimeError(f"{function} has tensors on both devices: those on the CPU have the shapes {others}")
    devices = [leaf.type for leaf in leaves if isinstance(leaf, torch.device)]
    on_gpu = here if not devices else devices[0] != "cpu"
    if on_gpu and isinstance(options.get("generator"), torch.Generator):
        raise RuntimeError(f"{function} on a GPU does not take a generator of the CPU")
    arguments, options = _mapped(_inner, arguments), _mapped(_inner, options)
    found = function(*arguments, **options)
    for tensor in tensors:  # what an operation changes in place, it returns
        if isinstance(tensor, OnGpu) and found is tensor.inner:
            return tensor
    return _mapped(_on_gpu, found) if on_gpu else found


def _on_gpu(value: Any) -> Any:
    return OnGpu(value.resolve_conj().resolve_neg()) if isinstance(value, Tensor) else value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, dict):
        yield from _leaves(tuple(value.values()))
    else:
        yield value


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_mapped(function, part) for part in value])
    if isinstance(value, dict):
        return {name: _mapped(function, part) for name, part in value.items()}
    return function(value)
