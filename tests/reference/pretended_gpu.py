"""A device that is only pretended: tensors that say they are not on the CPU, where they are computed.

What a function does to them has values, so that it may look at them, and every operation is watched: one that mixes
devices fails as it would on a GPU. Operators of geokit run their CPU kernels. The device has the name "meta", since
autograd refuses "cuda" where there is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

GPU = torch.device("meta")
aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}


class OnGpu(Tensor):
    """A tensor on the pretended GPU; `values` has it on the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnGpu":
        values = values.resolve_conj().resolve_neg()  # bits that this tensor would not have
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=GPU,
        )
        tensor.values = values
        return tensor

    def tolist(self) -> Any:
        return self.values.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Watch(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _FromData(TorchFunctionMode):
    """Tensors of numbers are made on the CPU and moved: torch's own move is not watched."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and options.get("device") == GPU:
            return function(*args, **options | {"device": None}).to(GPU)
        if function is Tensor.new_tensor and args[0].device == GPU:
            return torch.tensor(*args[1:], **{"dtype": args[0].dtype} | options).to(GPU)
        if function in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device == GPU:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            index = tuple(torch.tensor(part) if isinstance(part, list) else part for part in parts)
            return function(args[0], index, *args[2:])
        return function(*args, **options)


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Where every operation is watched."""
    with _Watch(), _FromData():
        yield


def on_gpu(value: Any) -> Any:
    """Tensors among `value`, or a module's, on the pretended GPU."""
    if isinstance(value, torch.nn.Module):
        return value._apply(lambda t: OnGpu(t.detach().clone()))
    return tree_map(lambda t: _leaf(t) if isinstance(t, Tensor) else t, value)


def _leaf(tensor: Tensor) -> Tensor:
    return OnGpu(tensor.detach().clone()).requires_grad_(tensor.requires_grad)


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
    ours = {id(t.values): t for t in tensors if isinstance(t, OnGpu)}
    others = [t for t in tensors if not isinstance(t, OnGpu) and t.dim()]
    if function in INDEXING and isinstance(args[0], OnGpu):  # whose indices may be on the CPU
        others = [t for t in args[2:] if isinstance(t, Tensor) and not isinstance(t, OnGpu) and t.dim()]
    if ours and others and function not in MOVES:
        raise AssertionError(f"{function} mixes a GPU and the CPU: {[tuple(t.shape) for t in tensors]}")
    assert not any(t.device == GPU for t in tensors if not isinstance(t, OnGpu)), f"{function}: made unseen"
    device = kwargs.get("device")
    to_gpu = bool(ours) if device is None else torch.device(device) == GPU
    if function is aten.copy_.default:
        to_gpu = isinstance(args[0], OnGpu)
    if device is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if to_gpu and kwargs.get("generator") is not None:
        raise AssertionError(f"{function} draws on a GPU with a generator of the CPU")
    args, kwargs = tree_map(lambda t: t.values if isinstance(t, OnGpu) else t, (args, kwargs))
    result = function(*args, **kwargs)
    if not to_gpu:
        return result
    return tree_map(lambda t: ours[id(t)] if id(t) in ours else OnGpu(t) if isinstance(t, Tensor) else t, result)
