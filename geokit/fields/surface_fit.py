"""From a cloud of points to a surface field and its mesh, with the settings that the points themselves ask for."""

import math

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_points import sampling_of, smoothed, with_normals, without_outliers
from geokit.fields.surface_solve import Weights, fit_levels
from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud

_CELL = 1.4  # spacings of the points, the side of a cell
_CELL_OF_NOISE = 0.7  # standard deviations of the noise, at least
_NOISY = 0.3  # spacings of noise from which the points are smoothed
_WIDTH, _TURN = 1.5, 0.45
_COARSEST = 8.0  # cells along the longest side
VALUE, BEND = 10.0, 0.01
_SEEN = 3.0


def fit_points(cloud: PointCloud, cell: float | None = None, knobs: dict | None = None) -> SurfaceField:
    K = dict(cell=_CELL, cn=_CELL_OF_NOISE, width=_WIDTH, turn=_TURN, value=VALUE, bend=BEND, passes=2, noisy=_NOISY, verbose=0)
    K.update(knobs or {})
    if len(cloud) < 10 or not cloud.extent > 0:
        raise InvalidInput(f"a surface needs at least 10 points, not all in one place, got {len(cloud)}")
    device, dtype = cloud.points.device, cloud.points.dtype
    low, high = cloud.points.amin(0).double(), cloud.points.amax(0).double()
    scale = float((high - low).norm())
    unit = cloud.replace(points=((cloud.points.double() - low) / scale), colors=None, features=None).to("cpu").to(torch.float32)
    import time
    T = time.process_time
    t0 = T()
    keep, reach = without_outliers(unit.points)
    unit = unit[keep]
    sampling = sampling_of(unit.points, reach)
    t1 = T()
    unit = with_normals(unit)
    t2 = T()
    noisy = sampling.noise > K["noisy"] * sampling.spacing
    if noisy:
        unit = smoothed(unit, max(K["width"] * sampling.noise, sampling.spacing), K["turn"], K["passes"])
    t3 = T()
    finest = cell / scale if cell else max(K["cell"] * sampling.spacing, K["cn"] * sampling.noise)
    longest = float((unit.points.amax(0) - unit.points.amin(0)).max())
    count = max(0, math.ceil(math.log2(longest / _COARSEST / finest)))
    spacings = [finest * 2 ** (count - level) for level in range(count + 1)]
    tree = PointTree(unit.points)
    seen = (reach.square() + (3 * sampling.noise) ** 2).sqrt()

    def near(places: Tensor) -> Tensor:
        distances, ids = tree.nearest(1, places)
        return distances[:, 0] <= _SEEN * seen[ids[:, 0]]

    v, b = (K["nvalue"], K["nbend"]) if noisy and "nvalue" in K else (K["value"], K["bend"])
    levels = fit_levels(unit.points, unit.normals, spacings, Weights(v, b), near)
    t4 = T()
    if K["verbose"]:
        print(f"  spacing 1/{1/sampling.spacing:.0f} noise {sampling.noise:.5f} finest 1/{1/finest:.0f} levels {len(levels)} nodes {[len(l.keys) for l in levels]} cpu: stat {t1-t0:.2f} normals {t2-t1:.2f} smooth {t3-t2:.2f} fit {t4-t3:.2f}", flush=True)
    return scale, low, levels, unit, seen
