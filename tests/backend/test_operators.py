"""The kernels as torch operators: schemas, fake tensors, autograd registration, compilation."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from geokit.backend import image_ops
from geokit.backend import splatting_ops as ops
from geokit.backend.fiber_ops import fiber_convolution
from geokit.backend.graph_ops import edge_groups
from tests.reference import scenes
from tests.reference.comparison import assert_close

NOT_DIFFERENTIABLE = {"amplitudes", "depths", "target", "visible"}


class Recorder(TorchDispatchMode):
    """Remembers every call of a geokit operator, with the arguments that it got below autograd."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "geokit":
            self.calls.setdefault(func, (args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def project_and_back():
    world = scenes.with_gradients(scenes.random_world(0, count=8, waves=2, width=40, height=30, spread=0.8))
    sum((t * t).sum() for t in ops.project(*scenes.arguments(world))).backward()


def harmonics_and_back(visible=None):
    g = scenes.generator(0)
    directions, coeffs = (scenes.normal(g, *shape).requires_grad_() for shape in ((6, 3), (6, 16, 3)))
    (ops.spherical_harmonics(3, directions, coeffs, visible) ** 2).sum().backward()


def masked_harmonics_and_back():
    harmonics_and_back(torch.arange(6) % 2 > 0)


def rasterize_and_back(probe=True):
    screen = scenes.with_gradients(scenes.random_screen(0, count=8, waves=1, width=20, height=18))
    options = {"screen_probe": torch.zeros_like(screen.means2d).requires_grad_()} if probe else {}
    image, transmittance, _ = ops.rasterize(*scenes.arguments(screen), **options)
    ((image**2).sum() + (transmittance**2).sum()).backward()


def rasterize_without_probe_and_back():
    rasterize_and_back(probe=False)


def ssim_and_back():
    g = scenes.generator(0)
    image_ops.ssim(scenes.uniform(g, 13, 12, 3).requires_grad_(), scenes.uniform(g, 13, 12, 3)).backward()


def messages_and_back():
    g = scenes.generator(0)
    tensors = [scenes.normal(g, *shape).requires_grad_() for shape in ((4, 3, 18), (2, 5, 18), (6, 3, 5))]
    senders, receivers, rows = torch.arange(6) % 4, torch.arange(6) // 2, torch.arange(6) % 2
    edges = edge_groups(senders, receivers, rows, 4, 3, 2)
    (fiber_convolution(*tensors, edges) ** 2).sum().backward()


EXERCISES = {
    "project": [project_and_back],
    "spherical_harmonics": [harmonics_and_back, masked_harmonics_and_back],
    "rasterize": [rasterize_and_back, rasterize_without_probe_and_back],
    "compare": [ssim_and_back],
    "fiber_convolution": [messages_and_back],
}


def recorded_calls(exercise):
    recorder = Recorder()
    with recorder:
        exercise()
    return recorder.calls


@pytest.mark.parametrize(
    ("name", "exercise"),
    [(n, e) for n, all_of in EXERCISES.items() for e in all_of],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_opcheck_of_the_operator_and_of_its_backward(name, exercise):
    calls = recorded_calls(exercise)
    forwards = [op for op in calls if op._opname == name]
    assert forwards, f"torch.ops.geokit.{name} was not called but {[str(op) for op in calls]}"
    assert any("backward" in op._opname for op in calls), "the backward is an operator of its own"
    for op, (args, kwargs) in calls.items():
        is_backward = "backward" in op._opname

        def fresh(value, label, is_backward=is_backward):
            if not isinstance(value, torch.Tensor):
                return value
            value = value.detach().clone()
            wanted = value.is_floating_point() and not is_backward and label not in NOT_DIFFERENTIABLE
            return value.requires_grad_(wanted)

        labels = [argument.name for argument in op._schema.arguments]
        fresh_args = tuple(fresh(v, label) for v, label in zip(args, labels))
        torch.library.opcheck(op, fresh_args, {k: fresh(v, k) for k, v in kwargs.items()})


def rendered(means, quats, scales, frequencies, amplitudes, pose, intrinsics, features, weights, background, probe):
    """Project and rasterize, as the renderer composes them."""
    width, height = 60, 44
    means2d, depths, conics, compensation, waves2d = ops.project(
        means, quats, scales, frequencies, amplitudes, pose, intrinsics, width, height
    )
    waves = torch.cat([waves2d[..., :2], waves2d[..., 2:] * weights], -1)
    opacities = amplitudes * compensation
    return ops.rasterize(
        means2d, conics, depths, opacities, features, waves, background, width, height, screen_probe=probe
    )


def leaves_of_a_render(count, dtype=torch.float32):
    world = scenes.random_world(4, count=count, waves=2, width=60, height=44, spread=1.1, aspect=3.0)
    world = replace(world, amplitudes=world.amplitudes.clamp(0.1, 0.8))
    g = scenes.generator(5)
    tensors = [getattr(world, k) for k in ("means", "quats", "scales", "frequencies", "amplitudes")]
    tensors += [world.world_to_camera, world.intrinsics, scenes.uniform(g, count, 3)]
    tensors += [0.3 * scenes.normal(g, count, 2, 2), scenes.uniform(g, 3), torch.zeros(count, 2)]
    tensors = [t.to(dtype) for t in tensors]
    return [t.requires_grad_(i != 4) for i, t in enumerate(tensors)]


def test_operators_run_on_fake_tensors():
    """Shapes and dtypes are known without running a kernel."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    leaves = leaves_of_a_render(7)
    with FakeTensorMode() as mode:
        image, transmittance, median_ids = rendered(*(mode.from_tensor(t) for t in leaves))
    assert image.shape == (44, 60, 3)
    assert transmittance.shape == median_ids.shape == (44, 60)
    assert (image.dtype, transmittance.dtype, median_ids.dtype) == (torch.float32, torch.float32, torch.int32)


@pytest.mark.slow
def test_compiled_forward_and_backward_equal_eager():
    compiled = torch.compile(rendered, fullgraph=True)
    for count in (50, 70):  # the second with another number of splats, to recompile with a dynamic size
        results = []
        for function in (rendered, compiled):
            leaves = leaves_of_a_render(count)
            image, transmittance, median_ids = function(*leaves)
            loss = (image**2).sum() + transmittance.sum()
            differentiable = [t for t in leaves if t.requires_grad]
            results.append([image, transmittance, median_ids, *torch.autograd.grad(loss, differentiable)])
        for eager, other in zip(*results):
            assert eager.dtype == other.dtype
            assert_close("compiled", other, eager, 1e-5)
