"""`PositionOrientationNet`: from positions, scalars and vectors of nodes to scalars and vectors, equivariant by
construction."""

from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.checks import check_tensor
from geokit.equivariant.frames import centers, node_counts, principal_frames, second_moments
from geokit.equivariant.position_orientation.choices import check_choices, check_grid, check_numbers
from geokit.equivariant.position_orientation.directional_body import DirectionalBody
from geokit.equivariant.position_orientation.graph import Graph
from geokit.equivariant.position_orientation.grid_body import GridBody
from geokit.equivariant.position_orientation.orientations import OrientationGrid, circle, grid
from geokit.equivariant.position_orientation.radial import RadialEmbedding
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations

# What graphs a kernel can use, by how it shares rows itself.
SHARED = {"pairs": ("pairs", "symmetric", "none"), "none": ("symmetric", "none"), "all": ("all",)}


class PositionOrientationNet(nn.Module):
    """Message passing on R^n x S^(n-1) after Bekkers et al., "Fast, Expressive SE(n) Equivariant Networks through
    Weight-Sharing in Position-Orientation Space" (ICLR 2024), with a choice of how exactly it is equivariant.

    dim: 2 or 3. orientations: a grid of that dimension; the icosahedron or the circle of 8 unless said. in_scalars,
    in_vectors, out_scalars, out_vectors: how many a node has. hidden: channels. edge_scalars: numbers given for every
    edge.

    equivariance, the one choice (measured in docs/position_orientation.md):
    - "cloud": the grid stands on the principal axes of each cloud. Exact, as cheap as "fixed"; the grid needs mirror
      symmetry (all polyhedra but the tetrahedron). Where two spreads of a cloud agree (`frames` gives the gaps) the
      axes are arbitrary and it is not equivariant.
    - "node": the grid stands on the principal axes of each node's neighbourhood. Exact under the same conditions.
    - "data": the orientations are the directions to neighbours and the node's own vectors. Exact always; no grid.
    - "fixed": the paper: one grid for all. Exact for the grid's own rotations only.
    - "random": the same, the grid turned at random with every forward pass of training.
    - "steerable": fixed, and every layer is kept to the degrees that the grid integrates: exact but for the aliases
      of the nonlinearities, which fall as the grid grows.

    group: "E" or, in the plane, "SE", whose kernels tell left from right. kernel: "harmonic" (default) or
    "polynomial", the paper's. degree: of the kernel's polynomials. length: the typical distance between neighbours
    and neighbors how many a node has: both set the scale at construction. cutoff: beyond it nothing is heard. pooled:
    one result a cloud, the mean of its nodes. moving: with "data", every layer moves the nodes by what it has
    learned, before the next looks where they are. layer_scale: the factor of each block's addition at construction,
    learned; None for no such factor.
    """

    def __init__(
        self,
        dim: int = 3,
        orientations: OrientationGrid | None = None,
        in_scalars: int = 0,
        in_vectors: int = 0,
        hidden: int = 64,
        layers: int = 4,
        out_scalars: int = 0,
        out_vectors: int = 0,
        *,
        equivariance: str = "cloud",
        edge_scalars: int = 0,
        group: str = "E",
        kernel: str = "harmonic",
        degree: int = 3,
        length: float = 1.0,
        cutoff: float | None = None,
        neighbors: float = 16,
        pooled: bool = False,
        moving: bool = False,
        widening: int = 4,
        layer_scale: float | None = None,
        kernel_features: int | None = None,
    ) -> None:
        super().__init__()
        check_choices(dim, equivariance, group, kernel, orientations)
        check_numbers(
            in_scalars=in_scalars,
            in_vectors=in_vectors,
            hidden=hidden,
            layers=layers,
            out_scalars=out_scalars,
            out_vectors=out_vectors,
            edge_scalars=edge_scalars,
            degree=degree,
            widening=widening,
            length=length,
            cutoff=cutoff,
            neighbors=neighbors,
            kernel_features=kernel_features,
        )
        if (moving and equivariance != "data") or (layer_scale is not None and equivariance == "data"):
            raise InvalidInput('moving belongs to equivariance="data", layer_scale to the others')
        self.dim, self.equivariance, self.group, self.pooled = dim, equivariance, group, pooled
        self.inputs, self.edge_scalars = (in_scalars, in_vectors), edge_scalars
        self.share = "all" if kernel == "polynomial" else "none" if edge_scalars else "pairs"
        embedding = RadialEmbedding(dim, length, cutoff, edge_scalars)
        self.body: GridBody | DirectionalBody
        if equivariance == "data":
            self.body = DirectionalBody(
                embedding,
                inputs=self.inputs,
                outputs=(out_scalars, out_vectors),
                hidden=hidden,
                layers=layers,
                degree=degree,
                kernel_features=kernel_features or hidden,
                neighbors=neighbors,
                widening=widening,
                moving=moving,
            )
            return
        chosen = orientations if orientations is not None else grid("icosahedral") if dim == 3 else circle(8)
        check_grid(chosen, dim, equivariance)
        self.body = GridBody(
            chosen,
            embedding,
            inputs=self.inputs,
            outputs=(out_scalars, out_vectors),
            hidden=hidden,
            layers=layers,
            kernel=kernel,
            group=group,
            degree=degree,
            kernel_features=kernel_features or 2 * hidden,
            neighbors=neighbors,
            widening=widening,
            layer_scale=layer_scale,
            bandlimit=max(1, chosen.degree // 3) if equivariance == "steerable" else None,
        )

    def forward(
        self,
        positions: Tensor | Any,
        edges: Tensor | Graph | None = None,
        scalars: Tensor | None = None,
        vectors: Tensor | None = None,
        edge_scalars: Tensor | None = None,
        batch: Tensor | None = None,
        clouds: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scalars (N, out_scalars) and vectors (N, out_vectors, n) of the nodes, or of the clouds (B, ...) if pooled.

        positions (N, n); edges (2, E) int64, senders and receivers, or a `Graph` of them; scalars (N, in_scalars);
        vectors (N, in_vectors, n); edge_scalars (E, edge_scalars); batch (N,) int64, the cloud of each node, of
        `clouds` in all (where it is not said, as many as `batch` names; a compiled network wants it said).
        Positions may be a torch-geometric `Data` instead, with pos, edge_index and, where needed, x, vec, edge_attr
        and batch. Raises InvalidInput for what is missing or of another shape or dtype than the network's own.
        """
        if edges is None and hasattr(positions, "edge_index"):
            return self(*_of_data(positions))
        positions, scalars, vectors = self._checked(positions, scalars, vectors)
        graph = self._graph(edges, positions, batch, clouds)
        wanted = (len(graph), self.edge_scalars)
        if self.edge_scalars:
            if edge_scalars is None:
                raise InvalidInput(f"the network wants edge_scalars of shape {wanted}")
            check_tensor("edge_scalars", edge_scalars, wanted, positions.dtype)
        elif edge_scalars is not None:
            raise InvalidInput("edge_scalars are given to a network that was made without: edge_scalars=0")
        if isinstance(self.body, DirectionalBody):
            outputs = self.body(positions, scalars, vectors, graph, edge_scalars)
        else:
            outputs = self._on_grid(self.body, positions, scalars, vectors, graph, edge_scalars)
        if not self.pooled:
            return outputs
        counts = node_counts(graph.batch, graph.clouds, positions)
        pooled = [o.new_zeros(graph.clouds, *o.shape[1:]).index_add(0, graph.batch, o) for o in outputs]
        return pooled[0] / counts[:, None], pooled[1] / counts[:, None, None]

    def frames(self, positions: Tensor, vectors: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """The axes (N, n, n) that each node's grid stands on, as columns, and their gaps (N,): see
        `principal_frames`."""
        displacements = positions[graph.senders] - positions[graph.receivers]
        if self.equivariance == "node":
            moments = second_moments(displacements, graph.receivers, len(positions))
            return self._proper(*principal_frames(moments + _moments_of(vectors)))
        middle = centers(positions, graph.batch, graph.clouds)
        moments = second_moments(positions - middle[graph.batch], graph.batch, graph.clouds)
        if vectors.shape[1]:
            owners = graph.batch.repeat_interleave(vectors.shape[1])
            moments = moments + second_moments(vectors.flatten(0, 1), owners, graph.clouds)
        axes, gaps = self._proper(*principal_frames(moments))
        return axes[graph.batch], gaps[graph.batch]

    def _proper(self, axes: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Under SE(2) no frame may mirror: the signs of its axes are free only together, as a half-turn."""
        if self.group == "SE":
            axes = torch.cat([axes[..., :1] * torch.linalg.det(axes).sign()[:, None, None], axes[..., 1:]], -1)
        return axes, gaps

    def _on_grid(
        self,
        body: GridBody,
        positions: Tensor,
        scalars: Tensor,
        vectors: Tensor,
        graph: Graph,
        edge_scalars: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        axes = self._axes(positions, vectors, graph)
        displacements = positions[graph.senders] - positions[graph.receivers]
        if axes is None:
            return body(displacements, scalars, vectors, graph, edge_scalars)
        mine = axes[graph.receivers]
        turns = mine.transpose(1, 2) @ axes[graph.senders] if self.equivariance == "node" else None
        displacements = (displacements[:, None] @ mine)[:, 0]
        scalars_out, vectors_out = body(displacements, scalars, vectors @ axes, graph, edge_scalars, turns)
        return scalars_out, vectors_out @ axes.transpose(1, 2)

    def _axes(self, positions: Tensor, vectors: Tensor, graph: Graph) -> Tensor | None:
        if self.equivariance in ("cloud", "node"):
            return self.frames(positions, vectors, graph)[0]
        if self.equivariance == "random" and self.training:
            return random_rotations(graph.clouds, self.dim).to(positions)[graph.batch]
        return None

    def _graph(
        self, edges: Tensor | Graph | None, positions: Tensor, batch: Tensor | None, clouds: int | None
    ) -> Graph:
        if edges is None:
            raise InvalidInput(
                "edges are missing: give a (2, E) int64 tensor, as complete_edges or nearest_edges make, or a Graph"
            )
        if isinstance(edges, Graph):
            if batch is not None or clouds is not None:
                raise InvalidInput("a Graph knows its clouds: give batch and clouds with edges that are a tensor")
            if len(edges.batch) != len(positions):
                raise InvalidInput(f"the graph has {len(edges.batch)} nodes, positions {len(positions)}")
            if self.equivariance != "data" and edges.share not in SHARED[self.share]:
                allowed = " or ".join(f'"{share}"' for share in SHARED[self.share])
                raise InvalidInput(
                    f'the graph was made with share="{edges.share}", but this kernel wants one of {allowed}'
                )
            return edges
        compiling = torch.compiler.is_compiling()
        if batch is None:
            batch, clouds = torch.zeros(len(positions), dtype=torch.int64, device=positions.device), 1
        check_tensor("batch", batch, (len(positions),), torch.int64)
        if not compiling and len(batch):
            least, most = int(batch.min()), int(batch.max())
            if least < 0 or (clouds is not None and most >= clouds):
                below = "" if clouds is None else f" and below {clouds}"
                raise InvalidInput(f"batch must number clouds from 0{below}, got {least} to {most}")
        return Graph.from_edges(edges, batch, clouds, "none" if self.share == "pairs" and compiling else self.share)

    def _checked(
        self, positions: Tensor, scalars: Tensor | None, vectors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        dtype = next(self.parameters()).dtype
        check_tensor("positions", positions, ("N", self.dim), dtype)
        if not torch.compiler.is_compiling():
            check_tensor("positions", positions, ("N", self.dim), finite=True)
        count, (s, v) = len(positions), self.inputs
        scalars = positions.new_empty(count, 0) if scalars is None and not s else scalars
        vectors = positions.new_empty(count, 0, self.dim) if vectors is None and not v else vectors
        check_tensor("scalars", scalars, (count, s), positions.dtype)  # type: ignore[arg-type]
        check_tensor("vectors", vectors, (count, v, self.dim), positions.dtype)  # type: ignore[arg-type]
        return positions, scalars, vectors  # type: ignore[return-value]


def _moments_of(vectors: Tensor) -> Tensor:
    """The normalised second moments (N, n, n) of each node's own vectors (N, V, n)."""
    products = torch.einsum("nvi,nvj->nij", vectors, vectors)
    return products / products.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None].clamp(
        min=torch.finfo(products.dtype).tiny
    )


def _of_data(data: Any) -> tuple[Tensor | None, ...]:
    """The arguments of `forward` from a torch-geometric `Data`."""
    return (data.pos, data.edge_index, *(getattr(data, name, None) for name in ("x", "vec", "edge_attr", "batch")))
