"""Images as fields: the best local cosines for a budget of numbers or of bytes."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.cosine_axis import TILE, CosineAxis
from geokit.fields.cosine_choice import kept, price_for
from geokit.fields.cosine_code import BASE_STEP, encode, encode_base, quantise
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.spline_base import spline_matrix, spline_projection

HEADER = 640  # bytes that a file holds besides the code of the coefficients, at most
_SAMPLE = 1 << 25  # coefficients that are looked at to find what a number is worth
_BAND = 256  # rows of pixels that are looked at together
_COLORS = 1 << 20  # pixels that are looked at to find the colours
_LEAST_PRICE = 1e-12  # of a number: an error of a millionth of white
_LARGEST = 1e4  # in whites, that a value may be
_FINER = 2 ** (1 / 64)  # from one step of coefficients to the next that is tried


def fit_image(image: Tensor, budget: int | None = None, size: int | None = None, tile: int = TILE) -> LocalCosineField:
    """A field of the image, with the least square error for so many numbers, or so many bytes.

    image (H, W) or (H, W, c): uint8 or uint16, or floats with 1 for white; c is any, 4 with alpha. With a budget a
    memory map is read one row of tiles at a time. budget: how many numbers of 32 bits the field may take
    (`parameter_count`). size: how many bytes its file may have; coefficients are then multiples of a step. Without
    either the field is exact, to rounding. There is no training: the functions are orthonormal, so that the
    coefficients are inner products, and the best choice of them is known.

    Raises `InvalidInput` for other shapes and dtypes, values that are not finite, both budgets at once, and a budget
    that is too small for any field of that image.
    """
    if budget is not None and size is not None:
        raise InvalidInput("give a budget of numbers or a size in bytes, not both")
    for name, value in (("budget", budget), ("size", size), ("tile", tile)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InvalidInput(f"the {name} must be a whole number above 0, got {value!r}")
    image = _checked(image)
    (height, width), channels = image.shape[:2], image.shape[2]
    mixing, offset = _principal_colors(image)
    base = smooth_base(image, mixing, offset, tile)
    if budget is None:
        rows = list(analysed(image, mixing, offset, base, tile))
        step = None if size is None else _step_for(torch.cat(rows), size, HEADER + _base_bytes(base))
        if step is not None:
            rows = [quantise(row, step) * step for row in rows]
        keep, numbers = torch.cat([row != 0 for row in rows]), [row[row != 0] for row in rows]
    else:
        step = None
        own = channels * (channels + 1) + base.numel()
        least = own + math.ceil(CosineAxis.cut(height, tile).tiles * CosineAxis.cut(width, tile).tiles * channels / 2)
        if budget < least:
            raise InvalidInput(
                f"the budget is too small: {width} x {height} pixels and {channels} channels take at least {least:,} "
                f"numbers, got {budget:,}; raise it or make the image smaller"
            )
        rest = budget - own
        keep, numbers = _within(image, lambda: analysed(image, mixing, offset, base, tile), rest)
    field = LocalCosineField(height, width, channels, keep.cpu(), tile, step)
    field.load_state_dict(
        {
            "bounds": field.bounds,
            "keep": keep,
            "base": base,
            "mixing": mixing,
            "offset": offset,
            "coefficients": torch.cat(numbers),
        }
    )
    return field.to(image.device)


def smooth_base(image: Tensor, mixing: Tensor, offset: Tensor, tile: int) -> Tensor:
    """The coefficients (rows, columns, c) of the splines nearest to an image, as multiples of `BASE_STEP`."""
    down, across = (spline_projection(n, 2 * tile).to(image.device) for n in image.shape[:2])
    total = down.new_zeros(len(down), len(across), image.shape[2])
    for begin in range(0, image.shape[0], _BAND):
        colors = (_floats(image[begin : begin + _BAND], begin) - offset) @ mixing.T
        part = down[:, begin : begin + _BAND]
        total += torch.einsum("bx,axc->abc", across, torch.einsum("ay,yxc->axc", part, colors.double()))
    return ((total / BASE_STEP).round() * BASE_STEP).float()


def analysed(image: Tensor, mixing: Tensor, offset: Tensor, base: Tensor, tile: int = TILE) -> Iterator[Tensor]:
    """Coefficients of an image (H, W, c) less its base, in colours mixing (c, c), a row of tiles at a time:
    (1, tiles across, functions down, functions across, c)."""
    down, across = CosineAxis.cut(image.shape[0], tile), CosineAxis.cut(image.shape[1], tile)
    x = torch.arange(image.shape[1], dtype=torch.float64, device=image.device) + 0.5
    smooth = torch.einsum("xb,abc->axc", spline_matrix(x, 2 * tile, base.shape[1]).float(), base)
    for row in range(down.tiles):
        begin, matrix = down.samples_of(row)
        y = torch.arange(begin, begin + len(matrix), dtype=torch.float64, device=image.device) + 0.5
        colors = (_floats(image[begin : begin + len(matrix)], begin) - offset) @ mixing.T
        colors -= torch.einsum("ya,axc->yxc", spline_matrix(y, 2 * tile, base.shape[0]).float(), smooth)
        own = (matrix.to(colors).T @ colors.flatten(1)).unflatten(1, colors.shape[1:])  # (functions, W, c)
        own = torch.nn.functional.pad(own, (0, 0, 0, 0, 0, down.widest - len(own)))
        yield across.analyse(own.transpose(0, 1)).transpose(1, 2)[None]


def _within(image: Tensor, analyse: Callable[[], Iterator[Tensor]], budget: float) -> tuple[Tensor, list[Tensor]]:
    """What is kept for so many numbers, and the numbers. Of large images a sample of the tiles sets the price."""
    every = -(-image.numel() // _SAMPLE)
    rows = [row if i % every == 0 else None for i, row in enumerate(analyse())]
    sample = [row for row in rows if row is not None]
    share = len(sample) / len(rows)
    price = price_for(torch.cat(sample), budget * share * (1 if every == 1 else 0.995))
    raised = 1.02  # by which the price goes up, ever faster
    while True:
        keep, numbers = [], []
        for row in sample if every == 1 else analyse():
            keep.append(kept(row, price))
            numbers.append(row[keep[-1]])
        whole = torch.cat(keep)
        if LocalCosineField.cost(whole) <= budget:
            return whole, numbers
        price, raised = max(price, _LEAST_PRICE) * raised, raised**1.5


def _base_bytes(base: Tensor) -> int:
    return len(encode_base((base / BASE_STEP).round().to(torch.int32)))


def _checked(image: Tensor) -> Tensor:
    if not isinstance(image, Tensor):
        raise InvalidInput(f"an image must be a tensor, got {type(image).__name__}; torch.from_numpy makes one")
    if image.ndim not in (2, 3) or image.numel() == 0:
        raise InvalidInput(f"an image must be (H, W) or (H, W, c) with pixels, got {tuple(image.shape)}")
    if image.dtype not in (torch.uint8, torch.uint16) and not image.is_floating_point():
        raise InvalidInput(f"an image must be uint8, uint16 or floats with 1 for white, got {image.dtype}")
    return image if image.ndim == 3 else image[:, :, None]


def white_of(image: Tensor) -> float:
    """The value of white in an image of this dtype."""
    return {torch.uint8: 255.0, torch.uint16: 65535.0}.get(image.dtype, 1.0)


def _floats(rows: Tensor, begin: int = 0) -> Tensor:
    values = rows.to(torch.float32) / white_of(rows)
    if not bool(values.isfinite().all()):
        row, column, _ = (~values.isfinite()).nonzero()[0].tolist()
        raise InvalidInput(f"an image must be finite, but pixel ({begin + row}, {column}) is not; fill it first")
    if rows.is_floating_point() and values.numel() and float(values.abs().max()) > _LARGEST:
        raise InvalidInput(
            f"an image of floats has 1 for white, but a value is {float(values.abs().max()):.3g}: scale it"
        )
    return values


def _principal_colors(image: Tensor) -> tuple[Tensor, Tensor]:
    """The axes (c, c), in rows, along which the colours vary most, next most, ...; and their mean (c)."""
    every = -(-image.shape[0] * image.shape[1] // _COLORS)
    colors = _floats(image[::every]).flatten(0, 1).double()
    mean = colors.mean(0)
    _, axes = torch.linalg.eigh((colors - mean).T @ (colors - mean))
    return axes.T.flip(0).float().contiguous(), mean.float()


def _step_for(coefficients: Tensor, size: int, taken: int) -> float:
    """The smallest step of a ladder whose code fits into `size` bytes, of which so many are taken."""
    coarsest = 2 * float(coefficients.abs().max().clamp(min=1e-6))  # of which all are zero
    least = taken + len(encode(quantise(coefficients, coarsest)))
    if least > size:
        raise InvalidInput(f"the size is too small: this image takes at least {least:,} bytes, got {size:,}; raise it")
    size -= taken
    fits, fails = 0, 64 * 24
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if len(encode(quantise(coefficients, coarsest / _FINER**middle))) <= size:
            fits = middle
        else:
            fails = middle
    return coarsest / _FINER**fits
