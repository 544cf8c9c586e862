"""Where the kernels of the GPU run in these tests: on the emulated GPU, in three orders of its threads; on a GPU."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from geokit.backend import gpu, native

try:
    import geokit._emulated as emulated
except ImportError:  # a build that is not for development
    emulated = None

ORDERS = {"emulated": 0, "emulated from the last thread": 1, "emulated in a shuffled order": 20}


class Device:
    """Calls a function with its tensors on the device, and returns what it returns on the CPU."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.name == "cuda":
            return _to(function(*_to(arguments, "cuda"), **_to(options, "cuda")), "cpu")
        emulated.set_order(ORDERS[self.name])
        with on_the_emulated_gpu():
            return function(*arguments, **options)


@contextmanager
def on_the_emulated_gpu():
    """Operators of geokit, called with tensors on the CPU, do what they do on a GPU, with the emulated kernels."""
    library = torch.library.Library("geokit", "IMPL")
    before = native._cpu_kernels
    native._cpu_kernels = gpu.Kernels(emulated, 0)
    try:
        for name, function in native.GPU_FUNCTIONS.items():
            library.impl(name.removeprefix("geokit::"), function, "CPU", allow_override=True)
        yield
    finally:
        native._cpu_kernels = before
        library._destroy()


@pytest.fixture(params=[*ORDERS, "cuda"])
def device(request) -> Device:
    """A `Device`; skips where it cannot be had."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("there is no GPU here: the kernels are tested on the emulated one only")
        gpu.kernels(torch.device("cuda"))
    elif emulated is None:
        pytest.skip("geokit._emulated is not in this build; install with pip install -e '.[test]'")
    return Device(request.param)


def _to(value: Any, where: str) -> Any:
    if isinstance(value, torch.Tensor):
        moved = value.detach().to(where)
        return moved.requires_grad_() if value.requires_grad else moved
    if isinstance(value, (list, tuple)):
        return type(value)(_to(part, where) for part in value)
    if isinstance(value, dict):
        return {name: _to(part, where) for name, part in value.items()}
    return value
