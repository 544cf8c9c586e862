"""Distances between the places of a shape by its eigenfunctions: biharmonic, commute-time, diffusion.

Each is the Euclidean distance of embedding coordinates w(lambda_k) phi_k, constant functions left out.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.eigen import Eigenbasis

SpectralDistance = Literal["biharmonic", "commute", "diffusion"]
_CONSTANT = 1e-7  # of the first eigenvalue that counts: below it a function is constant on every component


def spectral_embedding(basis: Eigenbasis, kind: SpectralDistance = "biharmonic", time: float | None = None) -> Tensor:
    """(N, K - C) coordinates of the vertices whose Euclidean distances are spectral distances; C constant functions.

    "biharmonic": phi / lambda (Lipman, Rustamov, Funkhouser 2010), in units of length^2 / sqrt(area); "commute":
    phi / sqrt(lambda) (commute times on graphs are its squares, up to the volume); "diffusion": exp(-time lambda) phi
    (Coifman, Lafon 2006), where time has units of length^2 and must be given. Functions of eigenvalue zero are left
    out: on a shape of several components, distances between those say nothing. Raises `InvalidInput` for another
    kind, for a time that is missing, not positive or without use, and for a basis of constant functions only.
    """
    if kind not in get_args(SpectralDistance):
        raise InvalidInput(f"kind must be one of {', '.join(get_args(SpectralDistance))}, got {kind!r}")
    if (kind == "diffusion") != (time is not None) or (time is not None and not time > 0):
        raise InvalidInput(f"a diffusion distance needs a positive time and the others none, got {kind!r} and {time}")
    values = basis.eigenvalues
    kept = values > _CONSTANT * values[-1]
    if not bool(kept.any()):
        raise InvalidInput(f"the {len(basis)} eigenfunctions are all constant; spectral distances need more of them")
    values, vectors = values[kept], basis.eigenvectors[:, kept]
    if time is not None:
        return vectors * torch.exp(-time * values)
    return vectors / (values if kind == "biharmonic" else values.sqrt())


def embedded_points(mesh: Mesh, embedding: Tensor, face_ids: Tensor, barycentrics: Tensor) -> Tensor:
    """(P, K) embedding (N, K) of points in faces face_ids (P,), linear by their barycentrics (P, 3). Differentiable.

    Raises `InvalidInput` for other shapes.
    """
    check_tensor("embedding", embedding, (len(mesh.vertices), "K"), FLOATS)
    check_tensor("face_ids", face_ids, ("P",), torch.int64)
    check_tensor("barycentrics", barycentrics, (len(face_ids), 3), embedding.dtype)
    return (barycentrics[:, :, None] * embedding[mesh.faces[face_ids]]).sum(1)


def spectral_distances(embedding: Tensor, first: Tensor | None = None, second: Tensor | None = None) -> Tensor:
    """(A, B) distances between the vertices `first` (A,) and `second` (B,), int64; all of them where None.

    embedding: of `spectral_embedding`, or of points by `embedded_points`. Differentiable where distances are not zero.
    """
    a = embedding if first is None else embedding[first]
    b = embedding if second is None else embedding[second]
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def distance_gradient(
    mesh: Mesh, embedding: Tensor, face_ids: Tensor, barycentrics: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Distances (P,) from points in faces to `targets` (P, K) in the embedding, and their gradients (P, 3) in space.

    The gradient lies in the plane of the face, where the embedding is linear; zero where the distance is zero or the
    face has no area. Both are differentiable.
    """
    away = embedded_points(mesh, embedding, face_ids, barycentrics) - targets
    squares = away.square().sum(1)
    some = squares > 0
    distances = torch.where(some, torch.where(some, squares, 1).sqrt(), 0)
    corners = mesh.vertices.to(embedding.dtype)[mesh.faces[face_ids]]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = normals.square().sum(1, keepdim=True)
    opposite = corners.roll(-2, 1) - corners.roll(-1, 1)  # from corner i + 1 to i + 2
    hats = torch.linalg.cross(normals[:, None].expand(-1, 3, -1), opposite) / doubled.clamp(min=1e-300)[:, None]
    slopes = (embedding[mesh.faces[face_ids]] * away[:, None]).sum(2)  # of half the square, along each hat
    gradients = (slopes[:, :, None] * hats).sum(1)
    return distances, gradients / torch.where(some, distances, 1)[:, None] * some[:, None]
