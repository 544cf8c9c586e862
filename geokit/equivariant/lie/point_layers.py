"""Lifting and group convolution on scattered points, with kernels that are functions of a group element."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.kernels import Localised, make_kernel
from geokit.equivariant.lie.points import Neighborhood
from geokit.equivariant.lie.sampling import SampleSet, check_samples, in_units_of, pair_features
from geokit.errors import InvalidInput


class PointLifting(nn.Module):
    """From functions of a point to functions of a point and a group element, (N, C_in) to (N, S, C_out):

    out(x_i, g) = |det g|^-1 sum_j w_j k(g^-1 (x_j - x_i) / radius) f_j, with k = 0 outside of the unit disc.

    Equivariant under every linear map a in the group: a cloud a x gives out'(a x, a g) = out(x, g), for any g, since
    the weights turn with the cloud (Mironenco & Forre, ICLR 2024, section 4, on a grid; here on points).
    form: "separable", a kernel for each input channel and then a linear map of the channels, or "dense", a kernel for
    each pair of channels. kernel: a name as in `make_kernel`, with its options. neighbors: how many points typically
    lie in the disc, for the size of features at construction. inner: see `disc_mask`.
    Raises InvalidInput for a form that is neither and channels that are not whole and positive, and as `make_kernel`.
    """

    def __init__(
        self,
        group: LieGroup,
        in_channels: int,
        out_channels: int,
        *,
        kernel: str = "siren",
        form: str = "separable",
        neighbors: float = 16,
        inner: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__()
        check_layer(group, in_channels, out_channels, form, ("separable", "dense"), neighbors)
        self.group, self.in_channels, self.out_channels, self.dense = group, in_channels, out_channels, form == "dense"
        values = in_channels * (out_channels if self.dense else 1)
        fan_in = point_fan_in(group.n, neighbors) * (in_channels if self.dense else 1)
        self.kernel = Localised(make_kernel(kernel, group.n, values, fan_in=fan_in, **options), inner=inner)
        self.mix = None if self.dense else nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, features: Tensor, cloud: Neighborhood, samples: SampleSet) -> Tensor:
        """(N, S, C_out) of features (N, C_in).

        Raises InvalidInput for other shapes, more than one dtype, samples of another group, and samples that stretch
        more than those that the neighbourhood was built for.
        """
        check_tensor("features", features, (len(cloud), self.in_channels), FLOATS)
        check_samples(self.group, samples, features, self.bias)
        edges, elements, local = inside(cloud, samples)
        weight = pair_weights(cloud, samples, edges, elements)[:, None]
        sent, rows = weight * features[cloud.senders[edges]], cloud.receivers[edges] * len(samples) + elements
        products = contract(self.kernel(local), sent, self.dense)
        out = products.new_zeros(len(cloud) * len(samples), products.shape[1]).index_add(0, rows, products)
        out = (out if self.mix is None else self.mix(out)) + self.bias
        return out.view(len(cloud), len(samples), self.out_channels)


class PointGroupConvolution(nn.Module):
    """Between functions of a point and a group element, (N, S_in, C_in) to (N, S_out, C_out):

    out(x_i, g) = |det g|^-1 sum_j w_j sum_h v_h k(g^-1 (x_j - x_i) / radius, g^-1 h) f(x_j, h)

    v_h: the weights of the samples h, whose sum is the integral over the group. k sees g^-1 h through its continuous
    coordinates (`LieGroup.features`) and vanishes where those of its non-compact part reach `reach`, so that the
    integral is one over a bounded set. Equivariant under maps a in the group to rounding if a maps the set of samples
    onto itself, and as far as the sum over h is the Haar integral otherwise (Mironenco & Forre, ICLR 2024, section 4;
    there |det h|^-1 stands for |det g|^-1, which is the same kernel times |det g^-1 h|).

    form: "separable", k(x, u) = k_1(x) k_2(u) for each channel and then a linear map of the channels (Knigge et al.,
    "Exploiting Redundancy: Separable Group Convolutional Networks on Lie Groups", ICML 2022): the cost is that of
    points times elements. "joint": a kernel of (x, u) for each channel, then the map. "dense": a kernel of (x, u) for
    each pair of channels. The last two cost points times S_in S_out. Everything else is as in `PointLifting`.
    """

    def __init__(
        self,
        group: LieGroup,
        in_channels: int,
        out_channels: int,
        *,
        kernel: str = "siren",
        form: str = "separable",
        neighbors: float = 16,
        inner: float = 0.5,
        reach: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_layer(group, in_channels, out_channels, form, ("separable", "joint", "dense"), neighbors)
        if not 0 < reach < math.inf:
            raise InvalidInput(f"reach must be positive and finite, got {reach}")
        self.group, self.in_channels, self.out_channels, self.form, self.reach = (
            group,
            in_channels,
            out_channels,
            form,
            reach,
        )
        numbers, bounded = group.features(group.identity()).shape[-1], group.complement_dim
        fan_in = point_fan_in(group.n, neighbors)
        self.group_kernel = None
        if form == "separable":
            space = make_kernel(kernel, group.n, in_channels, fan_in=fan_in, **options)
            self.kernel = Localised(space, inner=inner)
            turn = make_kernel(kernel, numbers, in_channels, **options)
            self.group_kernel = Localised(turn, spatial=bounded, inner=inner) if bounded else turn
        else:
            dense = form == "dense"
            values = in_channels * (out_channels if dense else 1)
            joint = make_kernel(
                kernel, group.n + numbers, values, fan_in=fan_in * (in_channels if dense else 1), **options
            )
            self.kernel = Localised(joint, spatial=(group.n, bounded) if bounded else group.n, inner=inner)
        self.mix = None if form == "dense" else nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self, features: Tensor, cloud: Neighborhood, samples: SampleSet, out_samples: SampleSet | None = None
    ) -> Tensor:
        """(N, S_out, C_out) of features (N, S_in, C_in) on `samples`; `out_samples` are the same unless given.

        Raises InvalidInput for other shapes, more than one dtype, samples of another group, and output samples that
        stretch more than those that the neighbourhood was built for.
        """
        check_tensor("features", features, (len(cloud), len(samples), self.in_channels), FLOATS)
        outer = samples if out_samples is None else out_samples
        check_samples(self.group, samples, features, self.bias)
        check_samples(self.group, outer, features, self.bias)
        edges, elements, local = inside(cloud, outer)
        weight = pair_weights(cloud, outer, edges, elements)
        relative = in_units_of(self.reach, pair_features(outer, samples), self.group)
        share = samples.weights * samples.mass / len(samples)
        senders, rows = cloud.senders[edges], cloud.receivers[edges] * len(outer) + elements
        if self.group_kernel is not None:
            turned = torch.einsum("ghc,h,nhc->ngc", self.group_kernel(relative), share, features)
            products = self.kernel(local) * weight[:, None] * turned[senders, elements]
        else:
            coordinates = torch.cat(
                [local[:, None].expand(-1, len(samples), -1), relative[elements]], -1
            )  # (P, S_in, n + F)
            sent = weight[:, None, None] * share[:, None] * features[senders]
            products = contract(self.kernel(coordinates), sent, self.form == "dense").sum(1)
        out = products.new_zeros(len(cloud) * len(outer), products.shape[1]).index_add(0, rows, products)
        out = (out if self.mix is None else self.mix(out)) + self.bias
        return out.view(len(cloud), len(outer), self.out_channels)


def inside(cloud: Neighborhood, samples: SampleSet) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of an edge and an element with g^-1 (x_j - x_i) / radius in the unit disc: edges (P,), elements (P,), and
    these coordinates (P, n). Everywhere else a kernel is 0. Raises InvalidInput where edges may be missing, and for
    another dtype."""
    if cloud.displacements.dtype != samples.elements.dtype:
        raise InvalidInput(f"the points are {cloud.displacements.dtype}, samples {samples.elements.dtype}; convert one")
    if samples.stretch > cloud.stretch * (1 + 1e-4):
        raise InvalidInput(
            f"samples stretch by up to {samples.stretch:.4g}, but the neighbourhood was built for {cloud.stretch:.4g}; "
            "build it for these samples"
        )
    inverses = samples.group.linear_part(samples.inverses)
    local = torch.einsum("sab,eb->esa", inverses, cloud.displacements)
    edges, elements = (local.detach().square().sum(-1) < 1).nonzero(as_tuple=True)
    return edges, elements, local[edges, elements]


def pair_weights(cloud: Neighborhood, samples: SampleSet, edges: Tensor, elements: Tensor) -> Tensor:
    """(P,) w_j / |det g|."""
    return cloud.weights[cloud.senders[edges]] / samples.group.determinant(samples.elements).abs()[elements]


def contract(values: Tensor, features: Tensor, dense: bool) -> Tensor:
    """(..., C_out) of kernel values (..., C_out * C_in) and features (..., C_in), or their product channel by
    channel."""
    if not dense:
        return values * features
    return (values.unflatten(-1, (-1, features.shape[-1])) @ features[..., None])[..., 0]


def point_fan_in(n: int, neighbors: float) -> float:
    """What a kernel is told so that sum_j w_j k_j f_j keeps the variance of independent f_j.

    `neighbors` points in a ball of volume V have weights V / neighbors; a mean square over the disc is one over the
    cube times 2^n / V.
    """
    return 2**n * math.pi ** (n / 2) / math.gamma(n / 2 + 1) / neighbors


def check_layer(
    group: LieGroup, in_channels: int, out_channels: int, form: str, forms: tuple[str, ...], neighbors: float
) -> None:
    """Raises InvalidInput for what a layer cannot be made of."""
    if group.size != group.n:
        raise InvalidInput(f"translations are in the layer already: take the linear part of {group} instead")
    for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
        if value != int(value) or value < 1:
            raise InvalidInput(f"{name} must be a whole number of at least 1, got {value}")
    if form not in forms:
        raise InvalidInput(f"form must be one of {', '.join(forms)}, got {form!r}")
    if not 0 < neighbors < math.inf:
        raise InvalidInput(f"neighbors must be positive and finite, got {neighbors}")
