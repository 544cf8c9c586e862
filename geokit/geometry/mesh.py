"""Triangle meshes."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.bounds import describe_bounds


@dataclass(frozen=True)
class Mesh:
    """V vertices and F triangles, in the file's own frame and length unit.

    vertices: (V, 3) float32 or float64. faces: (F, 3) int64, counter-clockwise from outside, indices in [0, V).
    normals: (V, 3) unit, one a vertex. colors: (V, 3) in [0, 1].
    uv: (F, 3, 2), one place in the texture a corner, (0, 0) its lower left: seams leave the vertices whole.
    texture: (H, W, 3) or (H, W, 4) in [0, 1], first row on top. `len` is the number of faces.
    """

    vertices: Tensor
    faces: Tensor
    normals: Tensor | None = None
    colors: Tensor | None = None
    uv: Tensor | None = None
    texture: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("vertices", self.vertices, ("V", 3), FLOATS, finite=True)
        check_tensor("faces", self.faces, ("F", 3), torch.int64)
        check_one_device(**self.tensors())
        count, dtype = len(self.vertices), self.vertices.dtype
        if len(self.faces):
            low, high = (int(value) for value in self.faces.aminmax())
            if low < 0 or high >= count:
                raise InvalidInput(
                    f"faces name the vertices {low} to {high}, but there are {count} vertices, numbered from 0; "
                    "correct the indices"
                )
        for name in ("normals", "colors"):
            if getattr(self, name) is not None:
                check_tensor(name, getattr(self, name), (count, 3), dtype, finite=True)
        if self.uv is not None:
            check_tensor("uv", self.uv, (len(self.faces), 3, 2), dtype, finite=True)
        if self.texture is not None:
            channels = 4 if self.texture.dim() == 3 and self.texture.shape[2] == 4 else 3
            check_tensor("texture", self.texture, ("H", "W", channels), dtype, finite=True)

    def __len__(self) -> int:
        return len(self.faces)

    def __repr__(self) -> str:
        extras = [name for name in ("normals", "colors", "uv", "texture") if getattr(self, name) is not None]
        held = f"{len(self.vertices):,} vertices, {len(self):,} faces"
        return f"Mesh({', '.join([held, *extras])}, {describe_bounds(self.vertices)})"

    @property
    def corners(self) -> Tensor:
        """(F, 3, 3) the places of the three corners of every face."""
        return self.vertices[self.faces]

    def face_normals(self) -> Tensor:
        """(F, 3) unit normals; zero where a face has no area. Differentiable."""
        return _unit_rows(_doubled_area_vectors(self.corners))

    def face_areas(self) -> Tensor:
        """(F,) areas, in squared units of length. Differentiable where they are not zero."""
        return _doubled_area_vectors(self.corners).norm(dim=1) / 2

    def vertex_normals(self) -> Tensor:
        """(V, 3) unit normals from the faces around each vertex, weighted by their area; zero where there are none.

        Differentiable.
        """
        doubled = _doubled_area_vectors(self.corners)
        sums = torch.zeros_like(self.vertices).index_add(0, self.faces.T.reshape(-1), doubled.repeat(3, 1))
        return _unit_rows(sums)

    def area(self) -> float:
        """The sum of the areas of all faces."""
        return float(self.face_areas().double().sum())

    def volume(self) -> float:
        """The signed volume a closed mesh encloses (divergence theorem), positive when its faces look outward."""
        a, b, c = (self.corners.double() - self.vertices.double().mean(0)).unbind(1)
        return float((a * torch.linalg.cross(b, c)).sum() / 6)

    @property
    def extent(self) -> float:
        """The diagonal of the bounding box."""
        if not len(self.vertices):
            return 0.0
        return float((self.vertices.amax(0) - self.vertices.amin(0)).norm())

    def tensors(self) -> dict[str, Tensor]:
        """The fields that are there, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def to(self, target: torch.device | torch.dtype | str) -> "Mesh":
        """The same mesh on another device or with another float dtype; faces stay int64."""
        if not isinstance(target, torch.dtype):
            return Mesh(**{name: t.to(target) for name, t in self.tensors().items()})
        return Mesh(**{name: t if name == "faces" else t.to(target) for name, t in self.tensors().items()})

    def replace(self, **changes: Tensor | None) -> "Mesh":
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _doubled_area_vectors(corners: Tensor) -> Tensor:
    """(F, 3) normals as long as twice the area."""
    a, b, c = corners.unbind(1)
    return torch.linalg.cross(b - a, c - a)


def _unit_rows(vectors: Tensor) -> Tensor:
    """Rows of length one; rows of zeros stay and have no gradient, rather than one divided by nearly nothing."""
    lengths = vectors.norm(dim=1, keepdim=True)
    some = lengths > torch.finfo(vectors.dtype).tiny
    return torch.where(some, vectors / torch.where(some, lengths, 1), 0)
