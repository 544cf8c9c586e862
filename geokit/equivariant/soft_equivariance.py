"""Networks that may be less symmetric than one believes: penalties that pull weights towards equivariant ones."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from geokit.equivariant.soft_projectors import Projector, TensorSum
from geokit.equivariant.symmetries import Symmetry
from geokit.errors import InvalidInput


class SoftEquivariance(nn.Module):
    """sum over groups G of strength_G R_G, R_G = sum over linear layers of |w - P_G w|^2 + |b - P_G b|^2.

    Kim et al., "Regularizing Towards Soft Equivariance Under Mixed Symmetries" (ICML 2023), with strengths that
    follow the training. P_G projects onto the maps that commute with G. model: its `nn.Linear` layers, in their
    order, take rep_in to rep_hidden (one for all hidden layers, or a sequence, one for each) and the last one to
    rep_out; a layer may also give rep_hidden.gated, as those of `TensorMLP` do. The model itself is not held.

    `retune`, called every so often with a loss of the task, sets strength_G so that strength_G R_G is the share `share`
    of that loss. This descends on log(loss) + share sum_G log(R_G): where the data has a symmetry nothing holds R_G up,
    it falls and its strength rises, up to `strongest`; where the data breaks it, R_G stays, and its strength falls with
    the loss. Give it the loss on samples that are not learned from: of those that a network knows by heart it is
    nearly 0, and then so is every strength. The rule is ours; the paper tells of automatic strengths from relative
    sizes as well. Begin near a symmetric network (`start_near`): from dense random weights the penalty would have to
    build the symmetric part first.
    """

    strengths: Tensor

    def __init__(
        self,
        model: nn.Module,
        symmetries: Mapping[str, Symmetry],
        rep_in: TensorSum,
        rep_hidden: TensorSum | Sequence[TensorSum],
        rep_out: TensorSum,
        *,
        share: float = 0.1,
        strongest: float = 1.0,
        start: float = 1e-3,
    ) -> None:
        """start: the strengths until `retune` is called. Raises InvalidInput where representations do not fit."""
        super().__init__()
        if share <= 0 or strongest <= 0 or not 0 <= start <= strongest:
            raise InvalidInput(
                f"share and strongest must be above 0, start between 0 and strongest, got {share}, {strongest}, {start}"
            )
        if not symmetries:
            raise InvalidInput('soft equivariance needs a group, such as {"rotations": rotations(3)}')
        # In tuples, so that the layers do not become this module's own, to be saved and optimised twice.
        self.layers = _layers(model, rep_in, rep_hidden, rep_out)
        self.share, self.strongest = share, strongest
        self.projectors = {
            name: [
                (Projector(symmetry, before, after), Projector(symmetry, TensorSum((1,), after.n), after))
                for _, before, after in self.layers
            ]
            for name, symmetry in symmetries.items()
        }
        self.register_buffer("strengths", torch.full((len(symmetries),), start, dtype=torch.float64))

    def forward(self) -> Tensor:
        """The penalty, a scalar to be added to the loss."""
        return torch.stack([s * v for s, v in zip(self.strengths.tolist(), self.violations().values())]).sum()

    def violations(self) -> dict[str, Tensor]:
        """R_G of each group."""
        return {name: self._violation(projectors) for name, projectors in self.projectors.items()}

    @torch.no_grad()
    def relative_violations(self) -> dict[str, float]:
        """R_G over the sum of squares of all weights and biases, in [0, 1]: 0 where the layers are equivariant."""
        total = sum(float(p.square().sum()) for layer, _, _ in self.layers for p in layer.parameters())
        return {name: float(value) / total if total else 0.0 for name, value in self.violations().items()}

    @torch.no_grad()
    def start_near(self, name: str, noise: float = 0.1) -> None:
        """Replace the weights of the model by equivariant ones of the same size for a group, plus `noise` times what
        they were. Raises InvalidInput for the name of a group that there is not."""
        if name not in self.projectors:
            raise InvalidInput(f"the groups of this penalty are {', '.join(self.projectors)}, got {name!r}")
        for (layer, _, _), (of_weight, of_bias) in zip(self.layers, self.projectors[name]):
            layer.weight.copy_(of_weight.weight(layer.weight, balanced=True) + noise * layer.weight)
            if layer.bias is not None:
                layer.bias.copy_(of_bias.weight(layer.bias[:, None], balanced=True)[:, 0] + noise * layer.bias)

    @torch.no_grad()
    def retune(self, loss: float) -> dict[str, float]:
        """Set the strengths by a loss of the task, best on validation data, and return them.

        Each moves half of the way, in logarithms. Raises InvalidInput for a loss below 0 or not finite.
        """
        if not 0 <= loss < float("inf"):
            raise InvalidInput(f"strengths are tuned by a loss that is finite and not negative, got {loss}")
        tiny = torch.finfo(torch.float64).tiny
        for i, value in enumerate(self.violations().values()):
            target = min(self.share * max(loss, tiny) / max(float(value), tiny), self.strongest)
            now = float(self.strengths[i])
            self.strengths[i] = (now * target) ** 0.5 if now else target
        return self.current_strengths()

    def current_strengths(self) -> dict[str, float]:
        """strength_G of each group."""
        return dict(zip(self.projectors, self.strengths.tolist()))

    def _violation(self, projectors: list[tuple[Projector, Projector]]) -> Tensor:
        """|w - P w|^2 = |w|^2 - |P w|^2, which is cheaper; rounding may make it negative."""
        parts = []
        for (layer, _, _), (of_weight, of_bias) in zip(self.layers, projectors):
            parts.append(layer.weight.square().sum() - of_weight.equivariant_square(layer.weight))
            if layer.bias is not None:
                parts.append(layer.bias.square().sum() - of_bias.equivariant_square(layer.bias[:, None]))
        return torch.stack(parts).sum().clamp(min=0)


def _layers(
    model: nn.Module, rep_in: TensorSum, rep_hidden: TensorSum | Sequence[TensorSum], rep_out: TensorSum
) -> list[tuple[nn.Linear, TensorSum, TensorSum]]:
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise InvalidInput("soft equivariance is of nn.Linear layers, and the model has none")
    hidden = [rep_hidden] * (len(linears) - 1) if isinstance(rep_hidden, TensorSum) else list(rep_hidden)
    if len(hidden) != len(linears) - 1:
        raise InvalidInput(
            f"a model of {len(linears)} linear layers has {len(linears) - 1} hidden ones, got {len(hidden)}"
        )
    found = []
    for number, (layer, before, after) in enumerate(zip(linears, [rep_in, *hidden], [*hidden, rep_out])):
        last = number == len(linears) - 1
        fitting = [rep for rep in ((after,) if last else (after, after.gated)) if rep.size == layer.out_features]
        if layer.in_features != before.size or not fitting:
            raise InvalidInput(
                f"linear layer {number} takes {layer.in_features} numbers to {layer.out_features}, its representations "
                f"have {before.size} and {after.size}" + ("" if last else f" (with gates {after.gated.size})")
            )
        found.append((layer, before, fitting[0]))
    return found
