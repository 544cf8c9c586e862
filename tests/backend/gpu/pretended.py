"""Tensors that say they are on a GPU and are not, so that a tensor made on the CPU by accident is found without one.

Within `pretended_gpu()` they are made by `tensor.to(GPU)` and by every factory function told that device. What torch
refuses on a GPU is refused: tensors of both devices in one operation. Operators of geokit do what they do there, with
the emulated kernels.
"""

from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from geokit.backend import gpu, native

GPU = torch.device("meta")  # the one of torch's own that takes gradients where there is no CUDA
ACROSS = {"aten::_to_copy", "aten::copy_"}
INDEXED = {"aten::index.Tensor", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}


class Pretended(torch.Tensor):
    """A tensor that says it is on `GPU`; its values are `held`."""

    @staticmethod
    def __new__(cls, real: torch.Tensor) -> "Pretended":
        layout = {"strides": real.stride(), "storage_offset": real.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, real.shape, dtype=real.dtype, device=GPU, **layout)

    def __init__(self, real: torch.Tensor) -> None:
        self.held = real

    def __repr__(self) -> str:
        return f"Pretended({self.held!r})"

    def tolist(self) -> Any:
        return self.held.tolist()

    # torch does not look at the numbers of lists for this device.
    def new_tensor(self, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=device or GPU)

    def __getitem__(self, index: Any) -> torch.Tensor:
        return super().__getitem__(_indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_indices(index), value)

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert a tensor of the GPU to numpy: use .cpu()")

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


class _Factories(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function.name()
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    ours = [t for t in tensors if isinstance(t, Pretended)]
    if ours and name in native.GPU_FUNCTIONS:
        gpu.one_device(name, [str(n) for n in range(len(args))], args)
        with _Factories():
            return native.GPU_FUNCTIONS[name](*args, **kwargs)
    if ours and name.startswith("geokit::"):  # carried to the CPU and back
        return tree_map(_wrapped, function(*_real(args), **_real(kwargs)))
    if ours and name.split(".")[0] not in ACROSS:
        others = [t for t in tensors if not isinstance(t, Pretended) and t.ndim]
        indices = name in INDEXED and isinstance(args[0], Pretended)
        assert not others or indices, f"{name} takes tensors of the GPU and of the CPU: {[t.shape for t in others]}"
    to = kwargs.get("device")
    on_gpu = bool(ours) if to is None else torch.device(to) == GPU
    if name.split(".")[0] == "aten::copy_":
        on_gpu = isinstance(args[0], Pretended)
    if to is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = function(*_real(args), **_real(kwargs))
    same = {id(t.held): t for t in ours}  # what is changed in place
    return tree_map(lambda v: same[id(v)] if id(v) in same else _wrapped(v) if on_gpu else v, found)


def _indices(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(torch.tensor(part) if isinstance(part, list) else part for part in parts)


def _tensor(data: Any, dtype: torch.dtype | None = None, device: Any = None, **options: Any) -> torch.Tensor:
    made = _MAKE(data, dtype=dtype, **options)
    return made if device is None else made.to(device)


_MAKE = torch.tensor


def _real(value: Any) -> Any:
    return tree_map(lambda v: v.held if isinstance(v, Pretended) else v, value)


def _wrapped(value: Any) -> Any:
    return Pretended(value) if isinstance(value, torch.Tensor) and not isinstance(value, Pretended) else value


class _Kernels(gpu.Kernels):
    def __getattr__(self, name: str) -> Any:
        function = super().__getattr__(name)

        def called(*arguments: Any) -> Any:
            assert all(isinstance(a, Pretended) for a in arguments if isinstance(a, torch.Tensor)), name
            return function(*_real(arguments))

        return called


@contextmanager
def pretended_gpu(monkeypatch: Any, emulated: Any):
    """Within, tensors can be on `GPU`."""
    with monkeypatch.context() as patch:
        patch.setattr(torch, "tensor", _tensor)
        patch.setattr(gpu, "kernels", lambda _device: _Kernels(emulated, 0))
        with _Factories():
            yield
