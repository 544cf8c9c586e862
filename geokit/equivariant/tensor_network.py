"""A network of scalars, vectors and matrices whose linear layers alone decide which symmetry it has."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from geokit.backend.checks import check_tensor
from geokit.equivariant.soft_projectors import Projector, TensorSum
from geokit.equivariant.symmetries import Symmetry
from geokit.errors import InvalidInput


class TensorMLP(nn.Module):
    """Values (B, rep_in.size) to (B, rep_out.size) through `layers` hidden layers of tensors of rank 0 to 2.

    After a linear layer, scalars go through SiLU, other tensors are multiplied by a gate, the sigmoid of a scalar of
    their own, and products of neighbouring tensors are added: v . w to scalars, M v to vectors, v w^T to matrices (in
    the manner of Finzi et al., "A Practical Method for Constructing Equivariant Multilayer Perceptrons for Arbitrary
    Matrix Groups", ICML 2021). All that is O(n)-equivariant. symmetry: of the linear layers, a subgroup of O(n); their
    weights are then projections of dense ones, so that the network is exactly equivariant. None: any matrices, to be
    free or regularised (`soft_equivariance`). Raises InvalidInput for hidden tensors of rank above 2, no
    scalars, and other groups.
    """

    def __init__(
        self,
        rep_in: TensorSum,
        rep_hidden: TensorSum,
        rep_out: TensorSum,
        layers: int = 2,
        symmetry: Symmetry | None = None,
    ) -> None:
        super().__init__()
        if len(rep_hidden.counts) > 3 or not rep_hidden.counts[0] or layers < 1:
            raise InvalidInput(
                f"a TensorMLP has at least one hidden layer of scalars, vectors and matrices, at least one scalar, got "
                f"{layers} of {rep_hidden.counts}"
            )
        if symmetry is not None and not _keeps_lengths(symmetry):
            raise InvalidInput(
                f"the nonlinearities of a TensorMLP commute with rotations and mirror images alone, {symmetry.name} "
                f"has other maps: give a subgroup of O({symmetry.n})"
            )
        self.rep_in, self.rep_hidden, self.rep_out = rep_in, rep_hidden, rep_out
        steps = [rep_in, *[rep_hidden] * layers]
        pairs = [(rep, rep_hidden.gated) for rep in steps[:-1]] + [(rep_hidden, rep_out)]
        self.linears = nn.ModuleList(nn.Linear(before.size, after.size) for before, after in pairs)
        self.products = nn.ParameterList(nn.Parameter(torch.full((3,), 0.3)) for _ in range(layers))
        self.projectors = [Projector(symmetry, *pair) for pair in pairs] if symmetry else None
        if self.projectors:
            with torch.no_grad():
                for layer, projector in zip(self.linears, self.projectors):
                    assert isinstance(layer, nn.Linear)
                    layer.weight.copy_(projector.weight(layer.weight, balanced=True))
                    layer.bias.copy_(projector.bias(layer.bias))

    def forward(self, values: Tensor) -> Tensor:
        """Raises InvalidInput for another shape than (B, rep_in.size)."""
        check_tensor("values", values, ("B", self.rep_in.size))
        for index, products in enumerate(self.products):
            values = self._nonlinear(self._linear(index, values), products)
        return self._linear(len(self.products), values)

    def _linear(self, index: int, values: Tensor) -> Tensor:
        layer = self.linears[index]
        assert isinstance(layer, nn.Linear)
        if self.projectors is None:
            return layer(values)
        projector = self.projectors[index]
        return linear(values, projector.weight(layer.weight), projector.bias(layer.bias))

    def _nonlinear(self, values: Tensor, products: Tensor) -> Tensor:
        n, counts = self.rep_hidden.n, (*self.rep_hidden.counts, 0, 0)
        scalars, gates, *parts = values.split([counts[0], sum(counts[1:]), *self.rep_hidden.sizes[1:]], 1)
        v, m = values.new_zeros(len(values), 0, n), values.new_zeros(len(values), 0, n, n)
        if counts[1]:
            v = parts[0].unflatten(1, (counts[1], n))
        if counts[2]:
            m = parts[1].unflatten(1, (counts[2], n, n))
        gate_v, gate_m = gates.sigmoid().split([counts[1], counts[2]], 1)
        new_v, new_m = v * gate_v[..., None], m * gate_m[..., None, None]
        if counts[1]:
            neighbor = v.roll(1, 1)
            scalars = scalars + products[0] * _spread((v * neighbor).sum(-1), counts[0])
            if counts[2]:
                new_m = new_m + products[2] * _spread(v[..., :, None] * neighbor[..., None, :], counts[2])
                new_v = new_v + products[1] * (_spread(m, counts[1]) @ v[..., None])[..., 0]
        return torch.cat([silu(scalars), new_v.flatten(1), new_m.flatten(1)], 1)


def _keeps_lengths(symmetry: Symmetry) -> bool:
    skew = torch.allclose(symmetry.algebra, -symmetry.algebra.mT, atol=1e-9)
    one = torch.eye(symmetry.n, dtype=torch.float64).expand_as(symmetry.discrete)
    return skew and torch.allclose(symmetry.discrete @ symmetry.discrete.mT, one, atol=1e-9)


def _spread(tensors: Tensor, count: int) -> Tensor:
    """The tensors (B, c, ...) in turn, until there are `count`."""
    return tensors[:, torch.arange(count, device=tensors.device) % tensors.shape[1]]
