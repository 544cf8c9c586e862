"""What an operator does with tensors on a GPU: its kernel, the way through the CPU, or one sentence."""

import importlib
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import geokit
from geokit.backend import gpu, native
from geokit.backend.checks import check_one_device
from geokit.backend.entropy_ops import decode_planes, encode_planes, no_parents
from geokit.backend.splatting_ops import project, spherical_harmonics
from geokit.backend.spline_ops import keys_of, plane_meet
from geokit.errors import InvalidInput, MissingDependency, OutOfMemory
from tests.reference import scenes
from tests.reference.pretend_gpu import GPU, OnGpu, pretend_gpu

WHEEL = ["75-real", "80-real", "90"]


def every_operator() -> set[str]:
    for path in (Path(geokit.__file__).parent / "backend").glob("*.py"):
        importlib.import_module(f"geokit.backend.{path.stem}")
    return {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names() if name.startswith("geokit::")}


@pytest.mark.parametrize(
    ("capability", "architectures", "expected"),
    [
        ((7, 5), WHEEL, True),
        ((8, 6), WHEEL, True),  # machine code of its generation
        ((8, 0), WHEEL, True),
        ((9, 0), WHEEL, True),
        ((12, 0), WHEEL, True),  # PTX of an older one
        ((7, 0), WHEEL, False),
        ((6, 1), WHEEL, False),
        ((8, 0), ["86-real"], False),
        ((9, 0), ["80-real"], False),
        ((9, 0), ["80-virtual"], True),
        ((7, 5), ["80-virtual"], False),
        ((9, 0), ["90a-real"], True),
        ((9, 0), ["90a"], True),
        ((10, 0), ["90a"], False),
        ((10, 3), ["100f"], True),
        ((12, 0), ["100f"], False),
        ((9, 0), [], False),
    ],
)
def test_code_that_a_gpu_runs(capability, architectures, expected):
    assert gpu.runs(capability, architectures) == expected


def test_ptx_needs_a_driver_that_compiles_it():
    assert not gpu.runs((12, 0), WHEEL, ptx=False)
    assert gpu.runs((9, 0), WHEEL, ptx=False)


@pytest.mark.parametrize(
    ("capability", "toolkit", "driver", "words"),
    [
        ((9, 0), 13000, 13000, None),
        ((9, 0), 13010, 13000, None),  # machine code serves every driver of the same major version
        ((9, 0), 12080, 13000, None),
        ((9, 0), 13000, 12080, "knows CUDA 12.8: update the driver"),
        ((9, 0), 13000, 0, "does not answer"),
        ((7, 0), 13000, 13000, "capability 7.0.*75-real, 80-real, 90.*CUDAARCHS=70"),
        ((12, 0), 13000, 13000, None),
        ((12, 0), 13010, 13000, "CUDA 13.0, older than the 13.1.*CUDAARCHS=120"),
    ],
)
def test_what_stands_in_the_way(capability, toolkit, driver, words):
    sentence = gpu.unsuited("some GPU", capability, WHEEL, toolkit, driver)
    assert sentence is None if words is None else re.search(words, sentence), sentence


@pytest.fixture
def fresh():
    gpu.obstacle.cache_clear()
    yield
    gpu.obstacle.cache_clear()


def test_without_the_module(monkeypatch, fresh):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"without kernels for GPUs.*GEOKIT_CUDA=ON pip install \."):
        gpu.kernels(GPU)


def test_a_module_that_cannot_be_loaded(monkeypatch, fresh):
    def fail():
        raise ImportError("libsomething.so: cannot open shared object file")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(gpu, "_module", fail)
    with pytest.raises(MissingDependency, match=r"cannot be loaded \(libsomething.so"):
        gpu.kernels(GPU)


def test_amd(monkeypatch, fresh):
    monkeypatch.setattr(torch.version, "hip", "6.4")
    with pytest.raises(MissingDependency, match="AMD"):
        gpu.kernels(GPU)


def test_kernels_are_of_the_current_gpu_and_stream(monkeypatch, fresh):
    asked = []
    module = SimpleNamespace(
        architectures=lambda: "80-real",
        toolkit_version=lambda: 13000,
        driver_version=lambda: 13000,
        kernel=lambda stream, *arguments: (stream, arguments),
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(gpu, "_module", lambda: module)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: asked.append(index))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 6))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=77))
    assert gpu.kernels(torch.device("cuda")).kernel(1, 2) == (77, (1, 2))
    assert gpu.kernels(torch.device("cuda", 1)).kernel() == (77, ())
    gpu.kernels(torch.device("cuda", 1))
    assert asked == [3, 1]


def test_every_operator_has_a_way_on_every_device():
    operators = every_operator()
    assert len(operators) > 50
    assert operators == set(native.GPU_FUNCTIONS)
    for name in operators:
        for key in ("CPU", "CUDA", *(device.upper() for device in gpu.DEVICES_WITHOUT_KERNELS)):
            assert torch._C._dispatch_has_kernel_for_dispatch_key(name, key), (name, key)


@pytest.mark.parametrize("device", gpu.DEVICES_WITHOUT_KERNELS)
def test_other_devices_are_a_sentence(device):
    with pytest.raises(InvalidInput, match=rf"^spherical harmonics has kernels .* on {device}: move them with .cpu"):
        gpu.refusal("geokit::spherical_harmonics", device)(torch.zeros(1))


def test_tensors_on_both_devices_go_to_the_gpus_function():
    """Which checks them: of the keys of all arguments, the dispatcher takes that of the GPU."""
    keys = torch._C.DispatchKey
    for other in (keys.CUDA, keys.MPS, keys.XPU, keys.HPU):
        both = torch._C.DispatchKeySet(keys.CPU) | torch._C.DispatchKeySet(other)
        assert both.highestPriorityTypeId() == other


def test_one_device():
    here, there = torch.zeros(2), torch.zeros(2, device="meta")
    assert check_one_device(a=here, b=3, c=None, d=[here, None], e=()) == torch.device("cpu")
    assert check_one_device(a=None, b=[there]) == torch.device("meta")
    assert check_one_device() is None
    with pytest.raises(InvalidInput, match=r"got means on cpu and lists on meta: move them with \.to\(device\)"):
        check_one_device(means=here, other=here, lists=[None, there])
    with pytest.raises(InvalidInput, match="got lists on cpu and lists on meta"):
        check_one_device(means=here, lists=[here, there])


def test_a_kernel_with_tensors_on_both_devices():
    world = scenes.arguments(scenes.random_world(3, count=5, waves=1))
    with pretend_gpu():
        mixed = [a.to(GPU) if isinstance(a, torch.Tensor) and i != 1 else a for i, a in enumerate(world)]
        with pytest.raises(InvalidInput, match=r"got means on cuda:0 and quats on cpu: move them with \.to\(device\)"):
            project(*mixed)


def test_options_and_lists_are_looked_at_too():
    def function(a, b, *, c=None):
        return a

    called = gpu.on_one_device(function, "geokit::function", ("a", "b", "c"))
    with pretend_gpu():
        there, here = torch.zeros(2, device=GPU), torch.zeros(2)
        assert called(there, [there], c=there) is there
        for arguments, options in (
            ((there, [there, here]), {}),
            ((there, 1), {"c": here}),
            ((there, 1), {"c": [here]}),
        ):
            with pytest.raises(InvalidInput, match="one device"):
                called(*arguments, **options)


def test_through_the_cpu():
    seen = []

    def function(a, pair, count, *, option=None):
        seen.append([type(t) for t in (a, *pair, option)])
        return a + count, [pair[0] + option], None

    called = gpu.through_the_cpu(function, "geokit::function", ("a", "pair", "count"))
    with pretend_gpu():
        there = torch.ones(2, device=GPU)
        a, (b,), nothing = called(there, [there, None], 2, option=there * 3)
        assert seen == [[torch.Tensor, torch.Tensor, type(None), torch.Tensor]]
        assert isinstance(a, OnGpu)
        assert isinstance(b, OnGpu)
        assert (a.tolist(), b.tolist(), nothing) == ([3, 3], [4, 4], None)
        with pytest.raises(InvalidInput, match="got a on cuda:0 and pair on cpu"):
            called(there, [torch.ones(2), None], 2, option=there)


@pytest.mark.parametrize("way", [gpu.on_one_device, gpu.through_the_cpu])
def test_memory_that_runs_out(monkeypatch, way):
    def function(a):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 << 29, 8 << 30))
    with pretend_gpu(), pytest.raises(OutOfMemory, match=r"^some thing needs .* cuda:0 .*1\.5 of 8\.0 GiB"):
        way(function, "geokit::some_thing", ("a",))(torch.zeros(2, device=GPU))


def test_without_kernels_a_gpu_tensor_is_a_sentence(monkeypatch, fresh):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pretend_gpu():
        directions = torch.ones(2, 3, device=GPU)
        with pytest.raises(MissingDependency, match=r"tensor.cpu\(\)"):
            spherical_harmonics(0, directions, torch.ones(2, 1, 3, device=GPU))


def test_an_operator_that_changes_its_arguments_needs_a_kernel():
    with pytest.raises(ValueError, match="changes its arguments"):

        @native.custom_op("geokit::no_such_thing", mutates_args=("a",))
        def function(a: torch.Tensor) -> None:
            a.zero_()


def test_functions_that_are_no_operators_go_through_the_cpu():
    g = torch.Generator().manual_seed(0)
    places = torch.rand(6, 3, generator=g)
    normals = torch.nn.functional.normalize(places - 0.5, dim=1)
    arguments = places, normals, keys_of(torch.zeros(1, 3, dtype=torch.int64)), torch.tensor([0, 6])
    expected = plane_meet(*arguments, 1.0, 0.9, 0.5)
    values, parents = torch.arange(12, dtype=torch.int32).reshape(1, 3, 4), no_parents(1)
    with pretend_gpu():
        found = plane_meet(*(t.to(GPU) for t in arguments), 1.0, 0.9, 0.5)
        assert all(isinstance(t, OnGpu) for t in found)
        assert all(torch.equal(have.cpu(), want) for have, want in zip(found, expected))
        with pytest.raises(InvalidInput, match="got places on cuda:0 and normals on cpu"):
            plane_meet(places.to(GPU), *arguments[1:], 1.0, 0.9, 0.5)
        code = encode_planes(values.to(GPU), parents.to(GPU))
        assert torch.equal(decode_planes(code, parents.to(GPU), 3, 4), values)


def test_other_devices_are_a_sentence_there_too():
    meta = [torch.zeros(n, 3, device="meta") for n in (2, 2)]
    with pytest.raises(InvalidInput, match="plane meet has kernels for the CPU and for NVIDIA GPUs"):
        plane_meet(*meta, torch.zeros(1, device="meta"), torch.zeros(2, device="meta"), 1.0, 0.9, 0.5)
