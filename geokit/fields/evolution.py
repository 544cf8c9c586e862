"""Shapes that move by a velocity or by their curvature."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields.curvature_grid import curvature_speed, curvature_steps
from geokit.fields.evolved_field import EvolvedField, FlowField, Function, SnapshotField, Velocity
from geokit.fields.field import Field
from geokit.geometry.distance import Bvh, signed_distance
from geokit.geometry.mesh import Mesh

MEAN_CURVATURE = "mean curvature"
_MARGIN = 0.15  # of the diagonal of a mesh, around it
_SNAPSHOTS = 12
_MOST = 1 << 24  # samples of a grid
_CHUNK = 1 << 16
_PROBES = 256  # points whose paths decide how many steps a flow takes
_MOST_STEPS = 4096


def evolve(
    shape: Field | Mesh | Function,
    velocity: Velocity | str,
    time: float,
    bounds: Tensor | Sequence[Sequence[float]] | None = None,
    resolution: int = 64,
    tolerance: float = 1e-5,
) -> EvolvedField:
    """The field f(x, t), from t = 0 to `time`, whose level sets move as `velocity` says.

    shape: a field of one channel, a closed mesh (its signed distance, exact), or a function from points (N, d) to
    (N,); f < 0 is inside. bounds: the lowest and highest corner of the box, d = 2 or 3, needed for a function. The
    result is on the device of the field or mesh, and for a function on that of the bounds.

    velocity: a function of points (N, d) and times (N,), which gives vectors (N, d) in lengths per time. Then
    f_t + V . grad f = 0 is solved along its characteristics, with steps enough that paths are good to `tolerance` times
    the diagonal of the box: no sampling, `resolution` is not used. Or "mean curvature": f_t = |grad f| div(grad f /
    |grad f|), by which a surface moves inward by the sum of its principal curvatures (a sphere: R^2 = R_0^2 - 2 (d - 1)
    t). Then f is sampled, `resolution` times along the longest side, and moved by differences of the fourth order
    (`curvature_grid`); shapes must keep away from the faces of the box, and `tolerance` is not used. Implicit neural
    evolution (NISE, Novello et al., ICCV 2023) trains a network on those equations instead.

    Raises `InvalidInput` for other shapes, times that are not positive, and velocities that are not finite or of
    another shape; `NumericalFailure` for a flow too fast for the tolerance.
    """
    if not 0 < time < math.inf:
        raise InvalidInput(f"time must be positive and finite, got {time}")
    if isinstance(shape, Field) and shape.channels != 1:
        raise InvalidInput(f"a shape is a field of one channel, got one of {shape.channels}")
    box = _box(shape, bounds)
    start = _function(shape, box)
    if callable(velocity):
        if not 0 < tolerance < 1:
            raise InvalidInput(f"tolerance must be between 0 and 1, got {tolerance}")
        return _flow(start, velocity, box, time, tolerance)
    if velocity != MEAN_CURVATURE:
        raise InvalidInput(f'velocity must be a function of points and times or "{MEAN_CURVATURE}", got {velocity!r}')
    if not resolution >= 8 or resolution ** box.shape[1] > _MOST:
        raise InvalidInput(f"resolution must be at least 8 with at most {_MOST:,} samples in all, got {resolution}")
    return _by_curvature(start, box, time, resolution)


def _flow(start: Function, velocity: Velocity, box: Tensor, time: float, tolerance: float) -> FlowField:
    """With twice the steps until paths of some points no longer change by more than the tolerance."""
    generator = torch.Generator().manual_seed(0)
    d = box.shape[1]
    probes = box[0] + (box[1] - box[0]) * torch.rand(_PROBES, d, generator=generator, dtype=torch.float64).to(box)
    probes = torch.cat([probes, probes.new_full((_PROBES, 1), time)], 1)
    allowed = max(tolerance, 32 * torch.finfo(box.dtype).eps) * float((box[1] - box[0]).norm())
    steps, last = 4, None
    with torch.no_grad():
        while steps <= _MOST_STEPS:
            field = FlowField(start, velocity, box, time, steps)
            ends = field.traced(probes)
            # Of a method of the fourth order half as long steps leave a sixteenth of the error.
            if last is not None and float((ends - last).norm(dim=1).max()) <= 15 * allowed:
                return field
            last, steps = ends, 2 * steps
    raise NumericalFailure(
        f"paths of the flow still change by more than {tolerance:g} of the box with {_MOST_STEPS} steps: "
        "the velocity is not smooth, or raise the tolerance"
    )


def _by_curvature(start: Function, box: Tensor, time: float, resolution: int) -> SnapshotField:
    low, high = box.double().cpu()
    sides = high - low
    cell = float(sides.max()) / (resolution - 1)
    counts = [max(math.ceil(float(side) / cell - 1e-6) + 1, 5) for side in sides]
    spans = torch.tensor([cell * (n - 1) for n in counts], dtype=torch.float64)
    corner = (low + high) / 2 - spans / 2
    axes = [float(begin) + cell * torch.arange(n, dtype=torch.float64) for begin, n in zip(corner, counts)]
    places = torch.cartesian_prod(*axes).to(box)
    with torch.no_grad():
        f = torch.cat([start(some) for some in places.split(_CHUNK)]).double().reshape(counts)
        field = SnapshotField(box, time, corner, cell, _SNAPSHOTS, counts)
        times = SnapshotField.times(time, _SNAPSHOTS)
        field.hold(0, f, curvature_speed(f, cell))
        for k, (values, rates) in enumerate(curvature_steps(f, cell, times[1:]), 1):
            if not bool(values.isfinite().all()):
                raise NumericalFailure(f"the level sets are no longer finite at time {times[k]:g}")
            field.hold(k, values, rates)
    return field


def _box(shape: Field | Mesh | Function, bounds: Tensor | Sequence[Sequence[float]] | None) -> Tensor:
    if bounds is None:
        if isinstance(shape, Field):
            return shape.bounds
        if not isinstance(shape, Mesh):
            raise InvalidInput("a shape given as a function needs bounds: the lowest and the highest corner of its box")
        if len(shape) == 0:
            raise InvalidInput("a mesh without faces has no inside to move")
        low, high = shape.vertices.detach().aminmax(dim=0)
        margin = _MARGIN * (high - low).norm()
        return torch.stack([low - margin, high + margin])
    like = shape.bounds if isinstance(shape, Field) else shape.vertices if isinstance(shape, Mesh) else None
    dtype = torch.float64 if like is None else like.dtype
    try:
        box = bounds if isinstance(bounds, Tensor) else torch.tensor(bounds, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"bounds must be two corners of as many numbers, got {bounds!r}") from error
    check_tensor("bounds", box, (2, "d"), FLOATS, finite=True)
    if box.shape[1] not in (2, 3) or not bool((box[1] > box[0]).all()):
        raise InvalidInput(f"bounds must have an extent along each of 2 or 3 axes, got {box.tolist()}")
    return box.detach().to(box.device if like is None else like.device)


def _function(shape: Field | Mesh | Function, box: Tensor) -> Function:
    """The shape as a function that checks what it is given and gives."""
    d = box.shape[1]
    expected = shape.dimension if isinstance(shape, Field) else 3 if isinstance(shape, Mesh) else d
    if expected != d or d not in (2, 3):
        raise InvalidInput(f"a shape of {expected} dimensions needs bounds of as many, 2 or 3, got {d}")
    if isinstance(shape, Mesh):
        tree = Bvh(Mesh(shape.vertices.detach().to(box), shape.faces))
        return lambda x: signed_distance(tree, x)
    if isinstance(shape, Field):
        return lambda x: shape(x)[:, 0]
    if not callable(shape):
        raise InvalidInput(f"a shape is a Field, a Mesh or a function, got {type(shape).__name__}")

    def checked(x: Tensor) -> Tensor:
        found = shape(x)
        check_tensor("the shape's values", found, (len(x),), FLOATS, finite=True)
        return found

    return checked
