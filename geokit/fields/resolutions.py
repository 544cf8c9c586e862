"""Grid resolutions chosen by the image: where its detail is, and how many rows a table has for it."""

import math

import numpy as np
from scipy import fft
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput

_TONES = 255  # of a residual: its entropy is that of whole tones


def adaptive_resolutions(
    image: Tensor, levels: int, rows: int, coarsest: int = 8, finest: int | None = None, candidates: int = 30
) -> tuple[int, ...]:
    """Cells along the longest side for each of `levels` grids of an image (H, W, C), for `cells_of`; they rise.

    The axis of frequencies is cut at `candidates` resolutions N from coarsest to finest (default: two pixels a cell),
    by one factor, with coarsest as the first. What the image has between two cuts, I = N^2 times the entropy of the
    band's residual in tones of 1/255 of the image's range, counts by how well `rows` of a table hold N^2 sites,
    (1 - exp(-a)) / a with a = N^2 / rows. The cuts are put into bands, one a level, so that the band that counts most
    counts as little as possible (dynamic programming), and each level has the resolution at the upper end of its band.

    Source: CARA, collision-aware resolution adaptation (2026 preprint), as its idea is described; bands are cut here
    by an even-symmetric cosine transform, which has no seam at the borders.
    Raises `InvalidInput` for an image of one colour, values that are not finite, and more levels than candidates.
    """
    check_tensor("image", image, ("H", "W", "C"), FLOATS, finite=True)
    side = max(image.shape[:2])
    finest = max(side // 2, 2) if finest is None else finest
    if not 1 <= coarsest < finest or rows < 1:
        raise InvalidInput(f"there must be rows, and 1 <= coarsest < finest, got {rows} rows, {coarsest} and {finest}")
    cuts = sorted({round(coarsest * (finest / coarsest) ** (k / (candidates - 1))) for k in range(max(candidates, 2))})
    if not 1 <= levels <= len(cuts):
        raise InvalidInput(f"levels must be 1 to {len(cuts)}, the candidates between the ends, got {levels}")
    entropies = band_entropies(image, cuts)
    counts = [
        h * rows * -math.expm1(-(n**2) / rows)  # N^2 times the efficiency
        for h, n in zip(entropies, cuts)
    ]
    return tuple(cuts[end - 1] for end in minimax_bands(counts, levels))


def band_entropies(image: Tensor, cuts: list[int]) -> list[float]:
    """Entropies in bits, mean over the channels, of what the image has between each cut and the one before.

    A cut of N cells keeps waves of up to N / 2 periods along the longest side. The first band begins above the mean.
    """
    pixels = image.detach().cpu().double().numpy()
    reach = pixels.max() - pixels.min()
    if reach <= 0:
        raise InvalidInput("the image has one colour: no resolution holds more of it than another")
    waves = fft.dctn(pixels / reach * _TONES, axes=(0, 1), norm="ortho")
    height, width, channels = pixels.shape
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    half_periods = np.hypot(rows, columns) * max(height, width)
    found, before = [], 0.0
    for cut in cuts:
        band = (half_periods > before) & (half_periods <= cut)
        residual = fft.idctn(waves * band[..., None], axes=(0, 1), norm="ortho")
        found.append(sum(_entropy(residual[..., c]) for c in range(channels)) / channels)
        before = cut
    return found


def _entropy(values: np.ndarray) -> float:
    _, counts = np.unique(np.rint(values).astype(np.int64), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def minimax_bands(counts: list[float], bands: int) -> list[int]:
    """Ends, each beyond its last, of `bands` runs of the counts that keep the largest sum of a run least."""
    total = np.concatenate([[0.0], np.cumsum(counts)])
    size = len(counts)
    best = np.full((bands + 1, size + 1), math.inf)
    best[0, 0] = 0.0
    begin = np.zeros((bands + 1, size + 1), dtype=int)
    for band in range(1, bands + 1):
        for end in range(band, size - (bands - band) + 1):
            worst = np.maximum(best[band - 1, band - 1 : end], total[end] - total[band - 1 : end])
            begin[band, end] = band - 1 + int(worst.argmin())
            best[band, end] = worst.min()
    ends, end = [], size
    for band in range(bands, 0, -1):
        ends.append(int(end))
        end = begin[band, end]
    return ends[::-1]
