"""From two shapes to a correspondence."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.dense import extend_map
from geokit.spectral.find_map import find_map
from geokit.spectral.landmarks import checked_landmarks
from geokit.spectral.match_quality import Quality
from geokit.spectral.match_shape import MatchShape, match_shape
from geokit.spectral.precise import PreciseMap, nearest_in_faces

_DIRECTIONS = ("1->2", "2->1")
_MODES = ("nearest", "precise", "smooth")
Shape = Mesh | MatchShape


@dataclass(frozen=True)
class Match:
    """A correspondence between shape 1 of N1 vertices and shape 2 of N2, both numbered as they were given.

    p2p_21: (N2,) int64, p2p_21[i] is the vertex of shape 1 that vertex i of shape 2 goes to. p2p_12: (N1,) int64, the
    other way. functional_map: (K2, K1), carries coefficients of functions on shape 1 to shape 2; functional_map_21:
    (K1, K2), the other way. quality: how good it is. shape1, shape2: the shapes with their eigenfunctions.
    """

    p2p_12: Tensor
    p2p_21: Tensor
    functional_map: Tensor
    functional_map_21: Tensor
    quality: Quality
    shape1: MatchShape
    shape2: MatchShape

    def __repr__(self) -> str:
        size = "x".join(map(str, self.functional_map.shape))
        return (
            f"Match({len(self.p2p_12):,} and {len(self.p2p_21):,} vertices, functional map {size}, "
            f"confidence {self.quality.confidence:.2f}, cycle error {self.quality.cycle_error:.1f} %)"
        )

    @property
    def precise(self) -> PreciseMap:
        """For every vertex of shape 2 a point in a face of shape 1, as p2p_21 but not rounded to its vertices."""
        return self.precise_21

    @cached_property
    def precise_21(self) -> PreciseMap:
        """For every vertex of shape 2 a point in a face of shape 1."""
        return _precise(self.shape1, self.shape2, self.functional_map, self.p2p_21)

    @cached_property
    def precise_12(self) -> PreciseMap:
        """For every vertex of shape 1 a point in a face of shape 2."""
        return _precise(self.shape2, self.shape1, self.functional_map_21, self.p2p_12)

    def reversed(self) -> "Match":
        """The same correspondence with the shapes exchanged."""
        quality = self.quality.reversed()
        return Match(
            self.p2p_21, self.p2p_12, self.functional_map_21, self.functional_map, quality, self.shape2, self.shape1
        )

    def transfer(self, values: Tensor, direction: str = "1->2", how: str | None = None) -> Tensor:
        """Functions on the vertices of one shape (N, ...) as functions on those of the other, of the same dtype.

        direction: "1->2" or "2->1". how: "nearest", the value at the vertex that each one goes to, also for labels
        (whole numbers and truth values), for which it is the only one; "precise", interpolated at points in faces, the
        default for other numbers; "smooth", through the functional map, which keeps what the
        eigenfunctions can show and averages away the rest. Differentiable by the values.

        >>> texture_labels_2 = m.transfer(labels_1)  # doctest: +SKIP
        """
        if direction not in _DIRECTIONS:
            raise InvalidInput(f'direction must be "1->2" or "2->1", got {direction!r}')
        forward = direction == "1->2"
        source, target = (self.shape1, self.shape2) if forward else (self.shape2, self.shape1)
        if not isinstance(values, Tensor) or values.dim() < 1 or len(values) != len(source):
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InvalidInput(
                f"values must be a tensor with one row for each of the {len(source):,} vertices of shape "
                f"{1 if forward else 2}, got {got}; direction is {direction}"
            )
        labels = not values.is_floating_point()
        if how is None:
            how = "nearest" if labels else "precise"
        if how not in _MODES:
            raise InvalidInput(f"how must be one of {', '.join(_MODES)}, got {how!r}")
        if labels and how != "nearest":
            raise InvalidInput(f"labels of type {values.dtype} cannot be mixed; transfer them by how='nearest'")
        if how == "nearest":
            return values[self.p2p_21 if forward else self.p2p_12]
        if how == "precise":
            return (self.precise_21 if forward else self.precise_12).interpolate(source.given.faces, values)
        carry = self.functional_map if forward else self.functional_map_21
        flat = values.reshape(len(values), -1).double()
        carried = target.functions[:, : len(carry)] @ (carry @ source.project(flat)[: carry.shape[1]])
        return carried.reshape(len(target), *values.shape[1:]).to(values)


def match(
    shape1: Shape,
    shape2: Shape,
    *,
    landmarks: Tensor | None = None,
    progress: Callable[[str], None] | None = None,
) -> Match:
    """The correspondence of two shapes that are deformations of each other, of any sizes, poses and triangulations.

    Shapes: `Mesh`es, or what `match_shape` made of them, which saves time where a shape is matched more than once.
    landmarks: (L, 2) int64, vertices of shape 1 and of shape 2 that correspond; without them several initial maps are
    tried and the best is kept. progress: told what is being done. All of it is on the CPU, wherever the shapes are.

    Raises `InvalidInput` for shapes that cannot be matched and landmarks out of range, `NumericalFailure` where the
    eigenfunctions cannot be computed.
    """
    say = progress or (lambda text: None)
    if landmarks is not None:
        landmarks = checked_landmarks(landmarks.cpu(), *(_vertices(shape) for shape in (shape1, shape2)))
    sides = []
    for number, shape in enumerate((shape1, shape2), 1):
        if not isinstance(shape, MatchShape):
            say(f"operators of shape {number}")
            try:
                shape = match_shape(shape)
            except InvalidInput as error:
                raise InvalidInput(f"shape {number}: {error}") from error
        sides.append(shape)
    first, second = sides
    if landmarks is not None:
        columns = zip(sides, landmarks.unbind(1))
        landmarks = torch.stack([side.cells.cell[column] for side, column in columns], 1)
    found = find_map(first.shape, second.shape, landmarks, say)
    repairs = tuple(f"shape {number}: {said}" for number, side in enumerate(sides, 1) for said in side.repairs)
    quality = Quality(**vars(found.measures), confidence=found.confidence, repairs=repairs, warnings=found.warnings)
    say("extending the map to all vertices")
    return Match(
        _on_given(first, second, found.functional_map_21, found.p2p_12),
        _on_given(second, first, found.functional_map, found.p2p_21),
        found.functional_map,
        found.functional_map_21,
        quality,
        first,
        second,
    )


def _vertices(shape: Shape) -> int:
    return len(shape.vertices) if isinstance(shape, Mesh) else len(shape)


def _on_given(source: MatchShape, target: MatchShape, functional_map: Tensor, p2p: Tensor) -> Tensor:
    """The vertex of the given target for every vertex of the given source, of a map between what was matched.

    functional_map: (K, K'), carries functions of the target to the source.
    """
    if not (source.dense or target.dense):
        return target.cells.samples[p2p[source.cells.cell]]
    return extend_map(*_embedded(source, target, functional_map), source.cells, target.cells, p2p)


def _embedded(source: MatchShape, target: MatchShape, functional_map: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the given vertices of source and target where the map brings them together (as `embeddings` does)."""
    rows, columns = functional_map.shape
    return source.functions[:, :rows], target.functions[:, :columns] @ functional_map.T


def _precise(target: MatchShape, source: MatchShape, functional_map: Tensor, p2p: Tensor) -> PreciseMap:
    return nearest_in_faces(*_embedded(source, target, functional_map), target.given.faces, p2p)
