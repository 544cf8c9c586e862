"""Distances along a surface from many sources at once, as `geokit.spectral.geodesics` asks for them."""

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain
from geokit.errors import NumericalFailure


@custom_op("geokit::march_fronts")
def march_fronts(
    offsets: Tensor, ids: Tensor, shapes: Tensor, seed_offsets: Tensor, seeds: Tensor, starts: Tensor
) -> Tensor:
    """Distances (K, V) of K sets of seeds, at least 1e15 where nothing leads: the contract of cuda_ext/mesh/fronts.h.

    offsets (V + 1,) int32 and corners as `ids` (C, 4) int32 and `shapes` (C, 16), lengths about 1. Set k is seeds
    seed_offsets[k] (int64) to seed_offsets[k + 1] (int32 vertices) with the distances `starts`. Raises
    `NumericalFailure` where fronts do not come to rest. Without a gradient.
    """
    offsets, ids, shapes, seed_offsets, seeds, starts = plain(offsets, ids, shapes, seed_offsets, seeds, starts)
    distances = shapes.new_empty(len(seed_offsets) - 1, len(offsets) - 1)
    if not _native.march_fronts(offsets, ids, shapes, seed_offsets, seeds, starts, distances):
        raise NumericalFailure(
            "marching did not end, as distances kept shrinking; this is not expected of any mesh: please report it, "
            "and use the method 'heat' or 'dijkstra'"
        )
    return distances


@march_fronts.register_fake
def _(offsets: Tensor, ids: Tensor, shapes: Tensor, seed_offsets: Tensor, seeds: Tensor, starts: Tensor) -> Tensor:
    return shapes.new_empty(seed_offsets.shape[0] - 1, offsets.shape[0] - 1)


@custom_op("geokit::heat_flow")
def heat_flow(faces: Tensor, hats: Tensor, heat: Tensor) -> Tensor:
    """(V, K) integrated divergence of the unit gradients of functions `heat` (V, K), as cuda_ext/mesh/heat.h says.

    faces (F, 3) int32, hats (F, 6) gradients of a face's hat functions in its plane, times its area. Has no gradient.
    """
    faces, hats, heat = plain(faces, hats, heat)
    flow = torch.empty_like(heat)
    _native.heat_flow(faces, hats, heat, flow)
    return flow


@heat_flow.register_fake
def _(faces: Tensor, hats: Tensor, heat: Tensor) -> Tensor:
    return heat.new_empty(heat.shape)
