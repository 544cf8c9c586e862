"""Networks that predict where charged bodies are going to be: the N-body benchmark of equivariant networks."""

import torch
from torch import Tensor, nn

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.position_orientation.directional_body import DirectionalBody
from geokit.equivariant.position_orientation.graph import Graph, complete_edges
from geokit.equivariant.position_orientation.network import PositionOrientationNet
from geokit.equivariant.position_orientation.radial import RadialEmbedding
from geokit.errors import InvalidInput


class NBodyNet(nn.Module):
    """Positions of bodies after a unit of time from positions, velocities and charges: (B, n, 3), (B, n, 3), (B, n)
    to (B, n, 3).

    Only differences of positions and of velocities enter: the prediction moves with the centre of mass (Galilei). With
    equivariance="data" every layer moves the bodies along, by `layers` steps of the unit of time whose forces are
    learned, and what an untrained network predicts is uniform motion; with the other choices of
    `PositionOrientationNet` the network gives a vector that is added to uniform motion.
    """

    def __init__(
        self,
        hidden: int = 48,
        layers: int = 4,
        degree: int = 3,
        equivariance: str = "data",
        widening: int = 2,
        **options: object,
    ) -> None:
        super().__init__()
        self.equivariance = equivariance
        self.graphs: dict[tuple[int, int, torch.device], Graph] = {}
        if equivariance == "data":
            if options:
                raise InvalidInput(f'with equivariance="data" there are no options {", ".join(options)}')
            self.moving = DirectionalBody(
                RadialEmbedding(3, 1.0, None, edge_scalars=1),
                inputs=(0, 1),
                outputs=(0, 0),
                hidden=hidden,
                layers=layers,
                degree=degree,
                kernel_features=32,
                neighbors=4,
                widening=widening,
                moving=True,
            )
            nn.init.constant_(self.moving.drift, 1 / layers)  # type: ignore[arg-type]
        else:
            self.net = PositionOrientationNet(
                in_scalars=2,
                in_vectors=2,
                hidden=hidden,
                layers=layers,
                out_vectors=1,
                degree=degree,
                equivariance=equivariance,
                edge_scalars=1,
                neighbors=4,
                widening=widening,
                **options,  # type: ignore[arg-type]
            )

    def forward(self, positions: Tensor, velocities: Tensor, charges: Tensor) -> Tensor:
        """Raises InvalidInput for other shapes than (B, n, 3), (B, n, 3) and (B, n), or different dtypes."""
        check_tensor("positions", positions, ("B", "n", 3), FLOATS)
        check_tensor("velocities", velocities, tuple(positions.shape), positions.dtype)
        check_tensor("charges", charges, tuple(positions.shape[:2]), positions.dtype)
        clouds, bodies = charges.shape
        graph = self._graph(clouds, bodies, positions.device)
        middle, drift = positions.mean(1, keepdim=True), velocities.mean(1, keepdim=True)
        x, v = (positions - middle).flatten(0, 1), (velocities - drift).flatten(0, 1)
        q = charges.flatten()
        products = (q[graph.senders] * q[graph.receivers])[:, None]
        if self.equivariance == "data":
            x = self.moving.run(x, x[:, :0], v[:, None], graph, products)[3]
        else:
            scalars = torch.stack([q, (v**2).sum(-1)], 1)
            x = x + v + self.net(x, graph, scalars, torch.stack([x, v], 1), products)[1][:, 0]
        return middle + drift + x.view_as(positions)

    def _graph(self, clouds: int, bodies: int, device: torch.device) -> Graph:
        """The complete graphs of a batch, the same for all batches of its size."""
        key = (clouds, bodies, device)
        if key not in self.graphs:
            batch = torch.arange(clouds, device=device).repeat_interleave(bodies)
            self.graphs[key] = Graph.from_edges(complete_edges(batch), batch, clouds, "symmetric")
        return self.graphs[key]
