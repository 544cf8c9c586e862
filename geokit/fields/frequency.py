"""A field's frequency chosen before any training: that of the untrained field whose spectrum is nearest the image's."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.fields.field import Field

Candidate = TypeVar("Candidate")
_FLAT = 1e-6  # of its largest value, the contrast that rounding may give a picture of one colour


def choose_frequency(
    image: Tensor,
    make_field: Callable[[Candidate, int], Field],
    candidates: Sequence[Candidate],
    initialisations: int = 10,
    largest: int = 1024,
    bins: int = 64,
) -> tuple[Candidate, dict[Candidate, float]]:
    """The candidate whose untrained fields look most like the image (H, W, C) in their spectrum, and all distances.

    make_field(candidate, seed) makes an untrained field of a plane with the image's channels. The image is resized to a
    square whose side is its shorter one, at most `largest` pixels, and each candidate's field is drawn at that size for
    `initialisations` seeds. Distances are means over the seeds of the Wasserstein distance between the spectra, in
    bins; the smallest wins. No gradient is taken: it costs as many pictures as there are candidates and seeds.

    Source: FreSh (Kania et al., "Frequency shifting for accelerated neural representation learning", 2025).
    Raises `InvalidInput` for an image of one colour or less than 4 pixels a side, no candidates, and fields that are
    constant or not of a plane.
    """
    check_tensor("image", image, ("H", "W", "C"), FLOATS, finite=True)
    side = min(*image.shape[:2], largest)
    if not candidates or initialisations < 1 or side < 4 or bins < 2:
        raise InvalidInput(
            "there must be a candidate, an initialisation, two bins, and 4 pixels a side, got "
            f"{len(candidates)}, {initialisations}, {bins} and {side}"
        )
    square = F.interpolate(image.permute(2, 0, 1)[None], size=(side, side), mode="bilinear", antialias=True)[0]
    target = spectrum(square.permute(1, 2, 0), bins)
    distances: dict[Candidate, float] = {}
    for candidate in candidates:
        found = []
        for seed in range(initialisations):
            field = make_field(candidate, seed)
            if field.dimension != 2 or field.channels != image.shape[2]:
                raise InvalidInput(
                    f"the field of {candidate!r} must be one of a plane with {image.shape[2]} channels, "
                    f"got {field.dimension} coordinates and {field.channels} channels"
                )
            try:
                with torch.no_grad():
                    drawn = spectrum(field.raster(side, side), bins)
            except InvalidInput as error:
                raise InvalidInput(f"the untrained field of {candidate!r}: {error}") from None
            found.append(float((drawn.cumsum(0) - target.cumsum(0)).abs()[:-1].sum()))
        distances[candidate] = sum(found) / len(found)
    return min(distances, key=distances.__getitem__), distances


def spectrum(image: Tensor, bins: int = 64) -> Tensor:
    """Shares of an image's (S, S, C) magnitudes by frequency |k_x| + |k_y| = 1, 2, ...: at most `bins` of them.

    Magnitudes of the Fourier transform, summed over channels and along the diagonals of its half that is not redundant;
    the mean is left out, and so is what lies above the lowest bins. Raises `InvalidInput` for an image of one colour.
    """
    side, image = image.shape[0], image.detach().double()
    contrast = (image.amax((0, 1)) - image.amin((0, 1))).max()
    if not contrast > _FLAT * image.abs().max():
        raise InvalidInput("a picture of one colour has no spectrum to compare")
    size = torch.fft.rfft2(image, dim=(0, 1)).abs().sum(2)
    rows = torch.fft.fftfreq(side, 1 / side, device=image.device).abs()
    columns = torch.arange(size.shape[1], device=image.device)
    diagonal = (rows[:, None] + columns[None]).round().long()
    sums = torch.zeros(int(diagonal.max()) + 1, dtype=size.dtype, device=size.device)
    sums = sums.index_add(0, diagonal.reshape(-1), size.reshape(-1))
    lowest = sums[1 : 1 + bins]
    return (lowest / lowest.sum()).cpu()
