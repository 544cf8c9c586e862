"""Bodies made from nothing: skeletons of bipeds, quadrupeds, birds, hands and stars, and the surfaces around them."""

import math
from dataclasses import dataclass, field

import torch
from skeletons import Skeleton, smooth_weights
from torch import Tensor

from geokit.geometry.level_sets import marching_cubes
from geokit.geometry.mesh import Mesh
from geokit.geometry.simplify import simplify
from geokit.geometry.topology import largest_component


@dataclass
class Plan:
    """Bones as they are put down: where each starts and ends, how thick it is there, on which other bone it grows."""

    rng: torch.Generator
    parents: list[int] = field(default_factory=list)
    starts: list[tuple[float, float, float]] = field(default_factory=list)
    ends: list[tuple[float, float, float]] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)

    def about(self, value: float, spread: float = 0.18) -> float:
        """A value varied by a factor, log-normal."""
        return value * math.exp(spread * float(torch.randn((), generator=self.rng)))

    def number(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=self.rng))

    def chain(self, parent: int, start, steps, radii) -> list[int]:
        """Bones one after the other from `start` by `steps`, with the radii at their ends; the numbers of the bones."""
        numbers = []
        here = start
        for step, first, second in zip(steps, radii, radii[1:]):
            there = tuple(a + b for a, b in zip(here, step))
            self.parents.append(parent)
            self.starts.append(here)
            self.ends.append(there)
            self.radii.append((first, second))
            parent, here = len(self.parents) - 1, there
            numbers.append(parent)
        return numbers

    def pair(self, parent: int, start, steps, radii) -> None:
        """The same chain on the left and on the right (x -> -x)."""
        for side in (1, -1):
            self.chain(parent, _mirror(start, side), [_mirror(step, side) for step in steps], radii)


def _mirror(place, side: int):
    return (side * place[0], place[1], place[2])


def biped(plan: Plan) -> None:
    a = plan.about
    waist, chest = a(0.13), a(0.15)
    spine, thick = a(0.28), a(0.085)
    trunk = plan.chain(-1, (0, 0, 0), [(0, spine, 0), (0, spine * 0.7, 0)], [waist, waist * 0.95, chest])
    top = spine * 1.7
    neck, head = a(0.16), a(0.13)
    plan.chain(trunk[1], (0, top, 0), [(0, neck, 0), (0, head * 0.9, head * 0.3)], [thick * 0.8, thick * 0.8, head])
    arm, hand, wide = a(0.3), a(0.12), a(0.17)
    drop = a(0.12, 0.5)
    plan.pair(
        trunk[1], (wide, top - 0.03, 0), [(arm, -drop, 0), (arm * 0.95, -drop, 0), (hand, -drop * 0.4, 0.02)],
        [thick * 0.8, thick * 0.65, thick * 0.5, thick * 0.55],
    )  # fmt: skip
    leg, foot, stance = a(0.45), a(0.16), a(0.1)
    plan.pair(
        trunk[0], (stance, -0.04, 0), [(0.03, -leg, 0.01), (0.02, -leg, -0.02), (0.01, -0.05, foot)],
        [thick * 1.15, thick * 0.85, thick * 0.6, thick * 0.5],
    )  # fmt: skip


def quadruped(plan: Plan) -> None:
    a = plan.about
    length, girth, chest = a(0.4, 0.25), a(0.14, 0.25), a(0.16, 0.2)
    trunk = plan.chain(-1, (0, 0, 0), [(0, 0, length), (0, 0.02, length)], [girth, girth * a(0.95, 0.1), chest])
    neck, head = a(0.25, 0.5), a(0.12)
    rise = a(0.8, 0.4)
    chain = plan.chain(
        trunk[1], (0, 0.05, 2 * length),
        [(0, neck * rise, neck), (0, head * 0.2, head * 1.1), (0, -0.06, a(0.14, 0.4))],
        [chest * 0.65, chest * 0.5, head * 0.9, head * a(0.5, 0.2)],
    )  # fmt: skip
    ear = a(0.08, 0.4)
    plan.pair(chain[1], (0.07, neck * rise + 0.12, 2 * length + neck), [(0.03, ear, 0)], [0.035, 0.02])
    upper, lower, thick, paw = a(0.26), a(0.26), a(0.065, 0.25), a(0.09)
    for z, parent in ((0.02, trunk[0]), (2 * length - 0.02, trunk[1])):
        plan.pair(
            parent, (girth * 0.7, -0.06, z), [(0.01, -upper, 0.03), (0, -lower, -0.04), (0, -0.02, paw)],
            [thick * 1.25, thick, thick * 0.75, thick * 0.7],
        )  # fmt: skip
    tail = a(0.18, 0.6)
    plan.chain(
        trunk[0],
        (0, 0.05, -0.08),
        [(0, 0.02, -tail), (0, -0.1 * tail, -tail), (0, 0, -tail)],
        [0.05, 0.04, 0.035, 0.03],
    )


def bird(plan: Plan) -> None:
    a = plan.about
    length, girth = a(0.35), a(0.17)
    trunk = plan.chain(-1, (0, 0, 0), [(0, 0.05, length)], [girth * 0.8, girth])
    neck, head = a(0.18, 0.5), a(0.1)
    plan.chain(
        trunk[0],
        (0, 0.1, length),
        [(0, neck, neck * 0.6), (0, 0.02, head), (0, -0.02, a(0.16, 0.4))],
        [0.09, 0.07, head, 0.03],
    )
    wing = a(0.32, 0.3)
    plan.pair(
        trunk[0],
        (girth * 0.7, 0.08, length * 0.6),
        [(wing, 0.03, 0), (wing, 0, -0.08), (wing * 0.6, 0, -0.1)],
        [0.07, 0.055, 0.045, 0.03],
    )
    leg = a(0.16, 0.4)
    plan.pair(
        trunk[0],
        (0.08, -girth * 0.7, length * 0.4),
        [(0, -leg, 0), (0, -leg, 0.03), (0, -0.01, 0.1)],
        [0.055, 0.04, 0.035, 0.03],
    )
    plan.chain(trunk[0], (0, 0, -0.1), [(0, 0.02, -a(0.25, 0.4))], [0.08, 0.06])


def hand(plan: Plan) -> None:
    a = plan.about
    palm = plan.chain(-1, (0, -0.25, 0), [(0, 0.25, 0), (0, 0.22, 0)], [a(0.1), 0.13, 0.13])
    fingers = plan.number(3, 5)
    for i in range(fingers):
        x = (i / (fingers - 1) - 0.5) * 0.34
        size, thick = a(0.15, 0.12), a(0.042, 0.12)
        lean = x * 0.5
        plan.chain(
            palm[1],
            (x, 0.2, 0),
            [(lean * 0.6, size * 1.3, 0), (lean * 0.4, size, 0), (lean * 0.3, size * 0.8, 0)],
            [thick * 1.1, thick, thick, thick * 0.85],
        )
    thumb = a(0.14)
    plan.chain(
        palm[0], (0.1, 0, 0.03), [(thumb, thumb * 0.5, 0.04), (thumb * 0.7, thumb * 0.7, 0)], [0.065, 0.055, 0.045]
    )


def star(plan: Plan) -> None:
    """A round trunk with limbs in random directions: no animal, so that what is learned is not only animals."""
    a = plan.about
    trunk = plan.chain(-1, (0, -0.1, 0), [(0, a(0.25, 0.4), 0)], [a(0.17, 0.3), a(0.17, 0.3)])
    directions = torch.randn(64, 3, generator=plan.rng)
    kept: list[Tensor] = []
    for direction in torch.nn.functional.normalize(directions, dim=1):
        if all(float(direction @ other) < 0.45 for other in kept):
            kept.append(direction)
    for direction in kept[: plan.number(2, 7)]:
        step = a(0.22, 0.4)
        bend = torch.randn(2, 3, generator=plan.rng) * 0.25
        steps = [tuple((step * (direction + b)).tolist()) for b in (torch.zeros(3), bend[0], bend[1])]
        thick = a(0.075, 0.3)
        plan.chain(
            trunk[0], tuple((0.08 * direction).tolist()), steps, [thick * 1.2, thick, thick * 0.9, thick * a(0.8, 0.2)]
        )


KINDS = {"biped": biped, "quadruped": quadruped, "bird": bird, "hand": hand, "star": star}


def made_body(kind: str, rng: torch.Generator, vertices: int) -> tuple[Mesh, Skeleton]:
    """A body of that kind with proportions of its own, of about that many vertices, and its skeleton."""
    plan = Plan(rng)
    KINDS[kind](plan)
    starts, ends, radii = (torch.tensor(rows, dtype=torch.float64) for rows in (plan.starts, plan.ends, plan.radii))
    blend = plan.about(0.025, 0.3)
    grow = radii.amax() + 3 * blend
    low, high = torch.minimum(starts, ends).amin(0) - grow, torch.maximum(starts, ends).amax(0) + grow
    resolution = min(150, math.ceil(float((high - low).amax()) / (0.35 * float(radii.min()))))

    def distance(places: Tensor) -> Tensor:
        return -blend * torch.logsumexp(-_to_bones(places, starts.float(), ends.float(), radii.float()) / blend, dim=1)

    # Cones are a little steeper than distances.
    surface = marching_cubes(distance, [low.tolist(), high.tolist()], max(resolution, 40), lipschitz=1.3)
    mesh = simplify(largest_component(surface), faces=2 * vertices)
    mesh = Mesh(mesh.vertices.double(), mesh.faces)
    owner = _to_bones(mesh.vertices, starts, ends, radii).argmin(1)
    weights = smooth_weights(mesh, torch.nn.functional.one_hot(owner, len(starts)).double())
    return mesh, Skeleton(starts, plan.parents, ends, weights)


def _to_bones(places: Tensor, starts: Tensor, ends: Tensor, radii: Tensor) -> Tensor:
    """(N, B) about how far the places are from cones with round ends."""
    axis = ends - starts
    along = ((places[:, None] - starts) * axis).sum(2) / axis.square().sum(1)
    t = along.clamp(0, 1)
    nearest = starts + t[..., None] * axis
    return (places[:, None] - nearest).norm(dim=2) - (radii[:, 0] * (1 - t) + radii[:, 1] * t)
