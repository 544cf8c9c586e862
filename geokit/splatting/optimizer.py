"""Splats under training: leaf tensors with Adam moments whose rows can be rewritten, appended and dropped."""

import torch
from torch import Tensor

from geokit.backend.optimizer_ops import adam_step
from geokit.geometry import Splats


class SplatOptimizer:
    """Adam over the fields of a `Splats`, with a learning rate for each field.

    Frequencies are optimised in cycles per standard deviation of the moment a wave was opened (`frequency_units`,
    cycles per unit length): a step then means the same for a small splat and a large one.
    """

    def __init__(self, splats: Splats) -> None:
        self.step_count = 0
        self.parameters = {name: t.detach().clone().requires_grad_() for name, t in splats.tensors().items()}
        self.first_moments = {name: torch.zeros_like(t) for name, t in self.parameters.items()}
        self.second_moments = {name: torch.zeros_like(t) for name, t in self.parameters.items()}
        self.frequency_units = splats.means.new_ones(len(splats), 1, 1)

    def __len__(self) -> int:
        return len(self.parameters["means"])

    @property
    def splats(self) -> Splats:
        """The splats, differentiable by `parameters`."""
        fields = dict(self.parameters)
        if fields["wave_frequencies"].shape[1]:
            fields["wave_frequencies"] = fields["wave_frequencies"] * self.frequency_units
        return Splats(**fields)

    def step(self, rates: dict[str, Tensor], skip: Tensor | None = None) -> None:
        """One Adam step with the gradients at hand; rates[name] holds a learning rate for every value of a row.

        skip: a flag (1,) on the device: where it is true nothing changes but the count of the steps.
        """
        self.step_count += 1
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if parameter.grad is None or not parameter.numel():
                    continue
                moments = self.first_moments[name], self.second_moments[name]
                adam_step(parameter, parameter.grad.contiguous(), *moments, rates[name], self.step_count, skip=skip)
                parameter.grad = None

    def _replace(self, name: str, parameter: Tensor, first: Tensor, second: Tensor) -> None:
        self.parameters[name] = parameter.detach().contiguous().requires_grad_()
        self.first_moments[name], self.second_moments[name] = first.contiguous(), second.contiguous()

    def keep(self, index: Tensor) -> None:
        """Keep only the rows `index` (a mask or indices), with their moments."""
        for name in self.parameters:
            rows = (t[name].detach()[index] for t in (self.parameters, self.first_moments, self.second_moments))
            self._replace(name, *rows)
        self.frequency_units = self.frequency_units[index]

    def append(self, source: Tensor, changes: dict[str, Tensor] | None = None) -> None:
        """Append copies of the rows `source` (indices), some fields replaced by `changes`; their moments are zero."""
        for name, parameter in self.parameters.items():
            rows = (changes or {}).get(name, parameter.detach()[source])
            zeros = torch.zeros_like(rows)
            self._replace(
                name,
                torch.cat([parameter.detach(), rows]),
                torch.cat([self.first_moments[name], zeros]),
                torch.cat([self.second_moments[name], zeros]),
            )
        self.frequency_units = torch.cat([self.frequency_units, self.frequency_units[source]])

    def rewrite(self, rows: Tensor, changes: dict[str, Tensor]) -> None:
        """Overwrite the rows of some fields and forget their moments."""
        with torch.no_grad():
            for name, values in changes.items():
                self.parameters[name][rows] = values
        self.forget(rows)

    def copy_rows(self, target: Tensor, source: Tensor) -> None:
        """Make the rows `target` copies of the rows `source`; the moments of the target are zero."""
        with torch.no_grad():
            for parameter in self.parameters.values():
                parameter[target] = parameter[source]
        self.frequency_units[target] = self.frequency_units[source]
        self.forget(target)

    def forget(self, rows: Tensor) -> None:
        """Zero the moments of some rows."""
        for moments in (self.first_moments, self.second_moments):
            for moment in moments.values():
                moment[rows] = 0

    def extend_sh(self, degree: int) -> None:
        """Make room for harmonics up to `degree`; the new coefficients are zero."""
        coeffs = self.parameters["sh_coeffs"].detach()
        missing = (degree + 1) ** 2 - coeffs.shape[1]
        if missing > 0:
            zeros = coeffs.new_zeros(len(coeffs), missing, 3)
            first, second = self.first_moments["sh_coeffs"], self.second_moments["sh_coeffs"]
            self._replace("sh_coeffs", *(torch.cat([t, zeros], dim=1) for t in (coeffs, first, second)))

    def set_waves(self, frequencies: Tensor, weights: Tensor, units: Tensor) -> None:
        """Give every splat new waves: frequencies (N, K, 3) in `units` (N, 1, 1), weights (N, K, 2)."""
        self.frequency_units = units
        for name, values in (("wave_frequencies", frequencies), ("wave_weights", weights)):
            self._replace(name, values, torch.zeros_like(values), torch.zeros_like(values))

    def state(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, by name."""
        groups = (("", self.parameters), ("first_moment.", self.first_moments), ("second_moment.", self.second_moments))
        tensors = {prefix + name: t.detach() for prefix, group in groups for name, t in group.items()}
        return tensors | {"frequency_units": self.frequency_units}

    @classmethod
    def from_state(
        cls, tensors: dict[str, Tensor], step_count: int, device: torch.device | str = "cpu"
    ) -> "SplatOptimizer":
        """The inverse of `state`, on any device."""
        names = Splats.__dataclass_fields__
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
        self = cls(Splats(**{name: tensors[name] for name in names}))
        for name in names:
            self.first_moments[name] = tensors[f"first_moment.{name}"].clone()
            self.second_moments[name] = tensors[f"second_moment.{name}"].clone()
        self.frequency_units, self.step_count = tensors["frequency_units"].clone(), step_count
        return self
