"""Universal graph random features: any power series of a weighted graph's adjacency, estimated by random walks.

Reid, Choromanski, Berger and Weller, "General Graph Random Features", ICLR 2024. A kernel K = sum_k a_k W^k costs N^3
to compute; walks that stop by chance give sparse features whose inner products have K as their mean, for N m / p.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.geometry.topology import half_edges

# ------------------------------------------------------------------------------------------------------- graphs


def mesh_graph(mesh: Mesh) -> SparseMatrix:
    """(N, N) float64 adjacency of the vertices, 1 for every edge."""
    edges, count = half_edges(mesh.faces).edges, len(mesh.vertices)
    edges = edges[edges[:, 0] != edges[:, 1]]
    rows, columns = torch.cat((edges, edges.flip(1))).unbind(1)
    return SparseMatrix.from_triplets(rows, columns, torch.ones(len(rows)).double(), (count, count))


def normalized_adjacency(graph: SparseMatrix) -> SparseMatrix:
    """D^-1/2 W D^-1/2 of symmetric weights W >= 0 with degrees D; its eigenvalues lie in [-1, 1]."""
    degrees = graph @ graph.values.new_ones(graph.width)
    roots = torch.where(degrees > 0, degrees, 1).rsqrt()
    return graph.replace(values=graph.values * roots[graph.rows] * roots[graph.columns])


# --------------------------------------------------------------------------------------- kernels as power series


def diffusion_series(time: float, count: int) -> Tensor:
    """(count,) a_k of exp(time (W - 1)): with the normalized adjacency, diffusion for `time`."""
    return torch.tensor([math.exp(k * math.log(time) - math.lgamma(k + 1) - time) for k in range(count)]).double()


def regularized_laplacian_series(order: int, width: float, count: int) -> Tensor:
    """(count,) a_k of (1 + width^2 (1 - W))^-order: with the normalized adjacency, the regularized Laplacian kernel."""
    ratio = width**2 / (1 + width**2)
    scale = (1 + width**2) ** -order
    return torch.tensor([scale * math.comb(order + k - 1, k) * ratio**k for k in range(count)]).double()


def power_series_kernel(graph: SparseMatrix, coefficients: Tensor) -> Tensor:
    """(N, N) sum_k a_k W^k exactly, dense. Differentiable by the coefficients (K,) and the weights."""
    check_tensor("coefficients", coefficients, ("K",), FLOATS)
    identity = torch.eye(graph.width, dtype=graph.values.dtype)
    kernel = torch.zeros_like(identity)
    for a in coefficients.flip(0):
        kernel = a * identity + graph @ kernel
    return kernel


def modulation(coefficients: Tensor) -> Tensor:
    """(K,) f with f * f = a: what each length of walk must count for features whose products give the series a (K,).

    f_0 = sqrt(a_0), f_k = (a_k - sum_{0 < j < k} f_j f_(k-j)) / (2 f_0). Differentiable.
    Raises `InvalidInput` unless a_0 > 0.
    """
    check_tensor("coefficients", coefficients, ("K",), FLOATS, finite=True)
    if not len(coefficients) or not float(coefficients[0]) > 0:
        raise InvalidInput("coefficients of a kernel must begin with a positive one: the series has no root otherwise")
    found = [coefficients[0].sqrt()]
    for k in range(1, len(coefficients)):
        inner = sum((found[j] * found[k - j] for j in range(1, k)), coefficients.new_zeros(()))
        found.append((coefficients[k] - inner) / (2 * found[0]))
    return torch.stack(found)


# ------------------------------------------------------------------------------------------------------- walks


@dataclass(frozen=True)
class RandomWalks:
    """Where `per_vertex` walks from each of N vertices stood after every step, S stands in all.

    starts, places, lengths: (S,) int64, the vertex a walk began at, where it stands, and after how many steps.
    loads: (S,) the product of weights over probabilities up to there: the mean of the loads of length k from i at j
    is (W^k)_ij. Differentiable by the weights of the graph.
    """

    starts: Tensor
    places: Tensor
    lengths: Tensor
    loads: Tensor
    vertices: int
    per_vertex: int

    def features(self, modulation: Tensor) -> SparseMatrix:
        """(N, N) sparse, of mean sum_k f_k W^k. Differentiable by f = `modulation` (K,): it can be learned.

        Walks longer than K - 1 steps count for nothing there.
        """
        check_tensor("modulation", modulation, ("K",), FLOATS)
        inside = self.lengths < len(modulation)
        values = self.loads[inside] * modulation[self.lengths[inside]] / self.per_vertex
        shape = (self.vertices, self.vertices)
        return SparseMatrix.from_triplets(self.starts[inside], self.places[inside], values, shape)


def random_walks(
    graph: SparseMatrix, per_vertex: int = 16, halt: float = 0.1, longest: int = 100, seed: int = 0
) -> RandomWalks:
    """Walks that step to a neighbour chosen evenly and stop before each step with the probability `halt`.

    graph: (N, N) weights W, any sign. longest: steps after which a walk is cut; give at least the length of the
    modulation. The same for the same seed. Raises `InvalidInput` for arguments out of range.
    """
    if per_vertex < 1 or longest < 0 or not 0 < halt < 1:
        raise InvalidInput(
            f"random walks need per_vertex >= 1, longest >= 0 and 0 < halt < 1, got {per_vertex}, {longest} and {halt}"
        )
    if graph.shape[0] != graph.width:
        raise InvalidInput(f"random walks need a square matrix of weights, got {graph.shape}")
    generator = torch.Generator().manual_seed(seed)
    degrees = graph.offsets.diff()
    starts = torch.arange(graph.width).repeat_interleave(per_vertex)
    places, loads = starts, graph.values.new_ones(len(starts))
    stands = [(starts, places, torch.zeros_like(starts), loads)]
    for step in range(1, longest + 1):
        chance = torch.rand(2, len(places), generator=generator, dtype=torch.float64)
        going = (chance[0] >= halt) & (degrees[places] > 0)
        if not bool(going.any()):
            break
        starts, places, loads, choice = starts[going], places[going], loads[going], chance[1, going]
        ways = degrees[places]
        entry = graph.offsets[places] + (choice * ways).long().clamp(max=ways - 1)
        loads = loads * graph.values[entry] * ways / (1 - halt)
        places = graph.columns[entry]
        stands.append((starts, places, torch.full_like(starts, step), loads))
    begun, stood, lengths, carried = (torch.cat(parts) for parts in zip(*stands))
    return RandomWalks(begun, stood, lengths, carried, graph.width, per_vertex)


@dataclass(frozen=True)
class FeatureKernel:
    """An estimate left right^T of a kernel (N, N), from features (N, N) of two independent sets of walks.

    Its mean is the kernel, everywhere. With one set of walks on both sides it would be symmetric and positive, but the
    diagonal too large.
    """

    left: SparseMatrix
    right: SparseMatrix

    def __matmul__(self, values: Tensor) -> Tensor:
        """Times (N,) or (N, D), without ever being formed. Differentiable."""
        return self.left @ (self.right.transpose() @ values)

    def dense(self) -> Tensor:
        """(N, N)."""
        return self.left.dense() @ self.right.dense().T


def estimate_kernel(
    graph: SparseMatrix, coefficients: Tensor, per_vertex: int = 16, halt: float = 0.1, seed: int = 0
) -> FeatureKernel:
    """An unbiased estimate of sum_k a_k W^k for a = `coefficients` (K,), up to terms of the order K and above."""
    f, longest = modulation(coefficients), len(coefficients) - 1
    left, right = (
        random_walks(graph, per_vertex, halt, longest, seed=2 * seed + side).features(f.to(graph.values))
        for side in (0, 1)
    )
    return FeatureKernel(left, right)


def kernel_regression(kernel: Tensor | FeatureKernel, values: Tensor, known: Tensor) -> Tensor:
    """(N, D) means of the known values, weighted by the kernel (N, N): sum_j K_ij v_j / sum_j K_ij over known j.

    values: (N, D), only those with `known` (N,) bool are used. Zero where no known value is reached.
    """
    check_tensor("known", known, (len(values),), torch.bool)
    columns = torch.where(known[:, None], values, 0)
    sums = kernel @ torch.cat((columns, known[:, None].to(values)), dim=1)
    total = sums[:, -1:]
    return torch.where(total != 0, sums[:, :-1] / torch.where(total != 0, total, 1), 0)
