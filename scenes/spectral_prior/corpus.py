"""Functional maps between shapes whose correspondence is known because they were made from one another."""

from dataclasses import dataclass
from pathlib import Path

import torch
from animals import KINDS, made_body
from skeletons import Skeleton, found_skeleton, random_turns
from torch import Tensor

from geokit.geometry.distance import Bvh, closest_points
from geokit.geometry.mesh import Mesh
from geokit.geometry.rotations import random_rotations
from geokit.geometry.simplify import simplify
from geokit.geometry.topology import largest_component
from geokit.io import load_mesh
from geokit.spectral.eigen import Eigenbasis, eigenbasis
from geokit.spectral.laplacian import laplacian

# Freely licensed meshes, by name of file: spot CC0 (Keenan Crane), fish public domain (Keenan Crane), hand and humans
# CC BY 4.0 (Max Planck Society, SMPL and SMPL-X), koala CC BY 3.0 (YahooJAPAN).
FREE_MESHES = ("spot", "fish_fish_low_resolution", "hand_hand_closed", "human_human_neutral", "koala")
TWINS = ("human_human_man", "human_human_woman")  # identical faces: everything between them is a shape too
DENSE = 4000  # vertices of a template
STRENGTHS = (0.03, 0.08, 0.16, 0.28)  # of the changes of proportions: from nearly isometric to another animal


@dataclass(frozen=True)
class Family:
    """A template and what deforms it: every member is the template's surface with other places of its vertices."""

    name: str
    mesh: Mesh
    skeleton: Skeleton
    other: Tensor | None = None  # (V, 3) the template's twin


@dataclass(frozen=True)
class Member:
    """One deformed and separately triangulated shape: its first eigenfunctions, and where it meets the template.

    on_template: (V, K) its eigenfunctions at the template's V vertices. from_template: (K, V), which takes functions on
    the template to coefficients in its basis.
    """

    mesh: Mesh
    on_template: Tensor
    from_template: Tensor


def families(count: int, meshes: Path | None, seed: int) -> list[Family]:
    """`count` bodies made from nothing, kinds taking turns, and those of the free meshes found in the folder."""
    made = []
    for number in range(count):
        rng = torch.Generator().manual_seed(seed * 100_003 + number)
        kind = list(KINDS)[number % len(KINDS)]
        made.append(Family(f"{kind} {number}", *made_body(kind, rng, DENSE)))
    if meshes is None:
        return made
    rng = torch.Generator().manual_seed(seed)
    files = {path.stem: path for path in sorted(meshes.rglob("*.obj"))}
    for name in FREE_MESHES:
        if name in files:
            mesh = _template(load_mesh(files[name]))
            made.append(Family(name, mesh, found_skeleton(mesh, rng)))
    if set(TWINS) <= set(files):
        man, woman = (load_mesh(files[name]) for name in TWINS)
        mesh, other = _unit(man), _unit(woman)
        made.append(Family("man and woman", mesh, found_skeleton(mesh, rng), other.vertices))
    return made


def _template(mesh: Mesh) -> Mesh:
    return _unit(simplify(largest_component(Mesh(mesh.vertices, mesh.faces)), faces=2 * DENSE))


def _unit(mesh: Mesh) -> Mesh:
    vertices = mesh.vertices.double()
    return Mesh((vertices - vertices.mean(0)) / mesh.area() ** 0.5, mesh.faces)


def deformed(family: Family, rng: torch.Generator) -> Tensor:
    """(V, 3) the template in another pose, with other proportions and other bulges."""
    vertices, count = family.mesh.vertices, len(family.skeleton.parents)
    strength = STRENGTHS[int(torch.randint(len(STRENGTHS), (1,), generator=rng))]
    if family.other is not None:
        vertices = vertices + (family.other - vertices) * (float(torch.rand((), generator=rng)) * 2 - 0.5)
    turning = torch.full((count,), 0.15 + 0.5 * float(torch.rand((), generator=rng)), dtype=torch.float64)
    turning[0] = 0
    stretch, swell = ((strength * torch.randn(count, generator=rng, dtype=torch.float64)).exp() for _ in range(2))
    posed = family.skeleton.pose(vertices, random_turns(count, turning, rng), stretch, swell)
    waves = (
        torch.randn(6, 3, generator=rng, dtype=torch.float64) * 4
    )  # a smooth field in space, for what bones cannot do
    phase = torch.rand(6, generator=rng, dtype=torch.float64) * 6.3
    push = torch.randn(6, 3, generator=rng, dtype=torch.float64) * 0.15 * strength / 6**0.5
    size = Mesh(posed, family.mesh.faces).area() ** 0.5
    return posed + size * torch.sin(posed / size @ waves.T + phase) @ push


def member(family: Family, rng: torch.Generator, size: int, lowest: int = 1200, highest: int = 2000) -> Member:
    """A deformed template with triangles of its own: turned, simplified to a random number of vertices."""
    dense = Mesh(deformed(family, rng), family.mesh.faces)
    # How edges collapse depends on the rounding of the places: a turn gives another triangulation.
    turn = random_rotations(1, generator=rng, dtype=torch.float64)[0]
    target = int(torch.randint(lowest, highest + 1, (1,), generator=rng))
    coarse = simplify(Mesh(dense.vertices @ turn.T, dense.faces), faces=2 * target)
    mesh = Mesh(coarse.vertices @ turn, coarse.faces)
    basis = eigenbasis(laplacian(_unit(mesh)), size)
    return Member(mesh, _at(mesh, basis.eigenvectors, dense.vertices), _projection(basis, dense, mesh.vertices))


def _at(mesh: Mesh, values: Tensor, places: Tensor) -> Tensor:
    """Values on the vertices at the closest points of other places."""
    found = closest_points(Bvh(mesh), places)
    return (found.barycentrics[:, :, None] * values[mesh.faces[found.face_ids]]).sum(1)


def _projection(basis: Eigenbasis, dense: Mesh, places: Tensor) -> Tensor:
    """(K, V): phi^T M B, where B interpolates functions on the template at the closest points of the vertices."""
    found = closest_points(Bvh(dense), places)
    weighted = basis.eigenvectors * basis.masses[:, None]
    parts = (found.barycentrics[:, :, None] * weighted[:, None]).reshape(-1, weighted.shape[1])
    return (
        parts.new_zeros(len(dense.vertices), weighted.shape[1])
        .index_add(0, dense.faces[found.face_ids].reshape(-1), parts)
        .T
    )


def maps_within(members: list[Member], rng: torch.Generator, each: int) -> Tensor:
    """(M, K, K) float32 |C_12| from every shape to `each` others: C = Phi2^T M2 Phi1 carried by the correspondence."""
    maps = []
    for i, first in enumerate(members):
        others = [j for j in torch.randperm(len(members), generator=rng).tolist() if j != i][:each]
        maps += [members[j].from_template @ first.on_template for j in others]
    return torch.stack(maps).abs().float()
