"""Bodies of bones: how a surface bends, stretches and swells with them, and bones found for a surface that has none."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.laplacian import laplacian

SMOOTHING = 0.004  # how far skinning weights are blurred along the surface: a time of diffusion, in units of the area


@dataclass(frozen=True)
class Skeleton:
    """A tree of J joints. Bone j is what moves with joint j: it turns about the joint.

    joints: (J, 3). parents: parent of each joint, earlier in the list; -1 for the root. ends: (J, 3) the far ends of
    the bones. weights: (V, J) how much every vertex moves with every bone, rows of sum one.
    """

    joints: Tensor
    parents: list[int]
    ends: Tensor
    weights: Tensor

    def pose(self, vertices: Tensor, turns: Tensor, stretch: Tensor, swell: Tensor) -> Tensor:
        """Linear blend skinning of the vertices (V, 3): bone j turned by turns[j] (3, 3) relative to its parent, its
        length multiplied by stretch[j] and its thickness by swell[j]."""
        axes = torch.nn.functional.normalize(self.ends - self.joints, dim=1)
        along = axes[:, :, None] * axes[:, None, :]
        eye = torch.eye(3, dtype=vertices.dtype)
        scales = stretch[:, None, None] * along + swell[:, None, None] * (eye - along)
        rotation, place = [], []
        for j, parent in enumerate(self.parents):
            if parent < 0:
                rotation.append(turns[j])
                place.append(self.joints[j])
            else:
                rotation.append(rotation[parent] @ turns[j])
                offset = scales[parent] @ (self.joints[j] - self.joints[parent])
                place.append(place[parent] + rotation[parent] @ offset)
        moved = torch.einsum("jab,vjb->vja", torch.stack(rotation) @ scales, vertices[:, None] - self.joints)
        return (self.weights[:, :, None] * (moved + torch.stack(place))).sum(1)


def smooth_weights(mesh: Mesh, weights: Tensor, time: float = SMOOTHING) -> Tensor:
    """(V, J) weights after diffusion along the surface: bends are round, and bones that only touch do not mix."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import splu

    operator = laplacian(mesh)
    masses = diags_array(operator.masses.numpy())
    system = splu((masses + time * operator.area * operator.stiffness.to_scipy()).tocsc())
    blurred = torch.from_numpy(system.solve(masses @ weights.numpy())).clamp(min=0)
    return blurred / blurred.sum(1, keepdim=True)


def found_skeleton(mesh: Mesh, rng: torch.Generator, tips: int = 7) -> Skeleton:
    """Bones for a surface without: limbs reach from its tips (far apart along the surface), each cut at one to three
    places by its distance from the tip; everything else is the trunk."""
    distances, last = _tips(mesh, tips)
    nearest = distances.argmin(1)
    center = _medoid(mesh)
    joints, parents, ends, owner = (
        [mesh.vertices[center]],
        [-1],
        [mesh.vertices[last]],
        torch.zeros(len(distances)).long(),
    )
    for tip in range(distances.shape[1]):
        own = nearest == tip
        reach = float(distances[own, tip].max()) * 0.8
        parent = 0
        cuts = (torch.arange(int(torch.randint(1, 4, (1,), generator=rng)), 0, -1) / 3.5).tolist()
        for cut in cuts:
            ring = own & ((distances[:, tip] - cut * reach).abs() < 0.06 * reach)
            beyond = own & (distances[:, tip] < cut * reach)
            if int(ring.sum()) < 6 or int(beyond.sum()) < 12:
                continue
            joints.append(mesh.vertices[ring].mean(0))
            ends.append(mesh.vertices[beyond].mean(0))
            owner[beyond] = len(parents)
            parents.append(parent)
            parent = len(parents) - 1
    weights = torch.nn.functional.one_hot(owner, len(parents)).to(mesh.vertices)
    return Skeleton(torch.stack(joints), parents, torch.stack(ends), smooth_weights(mesh, weights))


def _graph(mesh: Mesh):
    from scipy.sparse import coo_array

    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    lengths = (mesh.vertices[edges[:, 0]] - mesh.vertices[edges[:, 1]]).norm(dim=1)
    count = len(mesh.vertices)
    return coo_array((lengths.numpy(), (edges[:, 0].numpy(), edges[:, 1].numpy())), (count, count)).tocsr()


def _tips(mesh: Mesh, count: int) -> tuple[Tensor, int]:
    """(V, count) distances along edges from points far from each other, and the last of these."""
    from scipy.sparse.csgraph import dijkstra

    graph = _graph(mesh)
    far = int((mesh.vertices - mesh.vertices.mean(0)).norm(dim=1).argmax())
    found: list[Tensor] = []
    for _ in range(count):
        found.append(torch.from_numpy(dijkstra(graph, directed=False, indices=far)))
        near = torch.stack(found).amin(0)
        far = int(torch.where(near.isfinite(), near, -1).argmax())
    return torch.stack(found, 1), far


def _medoid(mesh: Mesh) -> int:
    return int((mesh.vertices - mesh.vertices.mean(0)).norm(dim=1).argmin())


def random_turns(count: int, amount: Tensor, rng: torch.Generator) -> Tensor:
    """(count, 3, 3) rotations about random axes by normal angles of deviation `amount` (count,), radians."""
    vectors = torch.randn(count, 3, generator=rng, dtype=torch.float64) * amount[:, None] / 3**0.5
    return torch.linalg.matrix_exp(
        torch.linalg.cross(torch.eye(3, dtype=torch.float64).expand(count, 3, 3), vectors[:, None].expand(-1, 3, -1))
    )
