"""Many shapes of unequal size as one: tensors end to end, cut by offsets."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud


@dataclass(frozen=True)
class PointBatch:
    """B clouds, end to end: cloud i holds the rows offsets[i] to offsets[i + 1].

    cloud: all N points as one cloud. offsets: (B + 1,) int64, from 0 to N, never falling. `len` is B.
    """

    cloud: PointCloud
    offsets: Tensor

    def __post_init__(self) -> None:
        check_offsets("offsets", self.offsets, len(self.cloud))

    @staticmethod
    def from_clouds(clouds: Sequence[PointCloud]) -> "PointBatch":
        """The clouds end to end; what only some of them carry is an `InvalidInput`."""
        joined = {f.name: _joined(f.name, [getattr(cloud, f.name) for cloud in clouds]) for f in fields(PointCloud)}
        cloud = PointCloud(**{name: tensor for name, tensor in joined.items() if tensor is not None})
        return PointBatch(cloud, offsets_of([len(cloud) for cloud in clouds]).to(cloud.points.device))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> PointCloud:
        return self.cloud[slice(*_range(self.offsets, index))]

    def __repr__(self) -> str:
        return f"PointBatch({len(self)} clouds, {len(self.cloud):,} points)"

    @property
    def ids(self) -> Tensor:
        """(N,) int64, the cloud that each point belongs to."""
        return segment_ids(self.offsets)

    def padded(self, value: float = 0.0) -> tuple[Tensor, Tensor]:
        """points (B, M, 3), M the largest cloud, filled up with `value`, and the (B, M) bool mask of real points."""
        sizes = self.offsets.diff()
        mask = torch.arange(int(sizes.max()), device=sizes.device) < sizes[:, None]
        points = self.cloud.points
        filled = points.new_full((*mask.shape, 3), value)
        return filled.masked_scatter(mask[:, :, None], points), mask

    def to(self, target: torch.device | torch.dtype | str) -> "PointBatch":
        """The same batch on another device or with another float dtype."""
        offsets = self.offsets if isinstance(target, torch.dtype) else self.offsets.to(target)
        return PointBatch(self.cloud.to(target), offsets)


@dataclass(frozen=True)
class MeshBatch:
    """B meshes, end to end.

    mesh: all of them as one mesh, its faces counting through all vertices; it carries no texture, `textures` does, one
    (or None) a mesh. vertex_offsets, face_offsets: (B + 1,) int64. `len` is B.
    """

    mesh: Mesh
    vertex_offsets: Tensor
    face_offsets: Tensor
    textures: tuple[Tensor | None, ...] = ()

    def __post_init__(self) -> None:
        check_offsets("vertex_offsets", self.vertex_offsets, len(self.mesh.vertices))
        check_offsets("face_offsets", self.face_offsets, len(self.mesh.faces))
        if len(self.vertex_offsets) != len(self.face_offsets) or len(self.textures) not in (0, len(self)):
            raise InvalidInput(
                f"vertex_offsets tell {len(self.vertex_offsets) - 1} meshes, face_offsets {len(self)} and textures "
                f"{len(self.textures)}; they must agree (no textures at all are fine)"
            )

    @staticmethod
    def from_meshes(meshes: Sequence[Mesh]) -> "MeshBatch":
        """The meshes end to end; normals, colours or uv that only some of them carry are an `InvalidInput`."""
        names = ("vertices", "normals", "colors", "uv")
        joined = {name: _joined(name, [getattr(mesh, name) for mesh in meshes]) for name in names}
        parts = {name: tensor for name, tensor in joined.items() if tensor is not None}
        device = parts["vertices"].device
        vertex_offsets = offsets_of([len(mesh.vertices) for mesh in meshes]).to(device)
        faces = torch.cat([mesh.faces + start for mesh, start in zip(meshes, vertex_offsets)])
        textures = tuple(mesh.texture for mesh in meshes)
        return MeshBatch(
            Mesh(faces=faces, **parts),
            vertex_offsets,
            offsets_of([len(mesh) for mesh in meshes]).to(device),
            textures if any(texture is not None for texture in textures) else (),
        )

    def __len__(self) -> int:
        return len(self.face_offsets) - 1

    def __getitem__(self, index: int) -> Mesh:
        (v0, v1), (f0, f1) = _range(self.vertex_offsets, index), _range(self.face_offsets, index)
        whole = self.mesh
        return Mesh(
            whole.vertices[v0:v1],
            whole.faces[f0:f1] - v0,
            normals=None if whole.normals is None else whole.normals[v0:v1],
            colors=None if whole.colors is None else whole.colors[v0:v1],
            uv=None if whole.uv is None else whole.uv[f0:f1],
            texture=self.textures[index] if self.textures else None,
        )

    def __repr__(self) -> str:
        return f"MeshBatch({len(self)} meshes, {len(self.mesh.vertices):,} vertices, {len(self.mesh):,} faces)"

    @property
    def vertex_ids(self) -> Tensor:
        """(V,) int64, the mesh that each vertex belongs to."""
        return segment_ids(self.vertex_offsets)

    @property
    def face_ids(self) -> Tensor:
        """(F,) int64, the mesh that each face belongs to."""
        return segment_ids(self.face_offsets)

    def to(self, target: torch.device | torch.dtype | str) -> "MeshBatch":
        """The same batch on another device or with another float dtype."""
        textures = tuple(None if t is None else t.to(target) for t in self.textures)
        if isinstance(target, torch.dtype):
            return MeshBatch(self.mesh.to(target), self.vertex_offsets, self.face_offsets, textures)
        offsets = self.vertex_offsets.to(target), self.face_offsets.to(target)
        return MeshBatch(self.mesh.to(target), *offsets, textures)


def offsets_of(sizes: Sequence[int]) -> Tensor:
    """(B + 1,) int64 running totals of B sizes, from 0."""
    return torch.tensor([0, *sizes], dtype=torch.int64).cumsum(0)


def segment_ids(offsets: Tensor) -> Tensor:
    """(N,) int64, the number of the segment each row lies in."""
    return torch.repeat_interleave(torch.arange(len(offsets) - 1, device=offsets.device), offsets.diff())


def check_offsets(name: str, offsets: Tensor, rows: int) -> None:
    """Raise `InvalidInput` unless (B + 1,) int64 offsets run from 0 to `rows` without falling."""
    check_tensor(name, offsets, ("B + 1",), torch.int64)
    if not len(offsets) or int(offsets[0]) != 0 or int(offsets[-1]) != rows or bool((offsets.diff() < 0).any()):
        raise InvalidInput(f"{name} must run from 0 to {rows} without falling, got {offsets.tolist()[:8]}")


def _joined(name: str, parts: Sequence[Tensor | None]) -> Tensor | None:
    if not parts:
        raise InvalidInput("a batch needs at least one shape, got none")
    missing = [i for i, part in enumerate(parts) if part is None]
    if len(missing) == len(parts):
        return None
    if missing:
        raise InvalidInput(
            f"{name} are missing in shape {missing[0]} of the batch but there in others; add or drop them"
        )
    return torch.cat([part for part in parts if part is not None])


def _range(offsets: Tensor, index: int) -> tuple[int, int]:
    count = len(offsets) - 1
    if not -count <= index < count:
        raise IndexError(f"batch has {count} shapes, asked for number {index}")
    index %= count
    return int(offsets[index]), int(offsets[index + 1])
