"""Images as a smooth base and windowed cosines, the Gabor-like functions that an orthonormal basis can be made of."""

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from geokit.backend.checks import check_tensor
from geokit.backend.entropy_ops import bytes_tensor, most_values
from geokit.errors import InvalidInput
from geokit.fields.cosine_axis import TILE, CosineAxis
from geokit.fields.cosine_code import (
    BASE_STEP,
    choice_bits,
    decode,
    decode_base,
    encode,
    encode_base,
    pack,
    quantise,
    unpack,
)
from geokit.fields.field import Field
from geokit.fields.spline_base import spline_count, spline_matrix, spline_values

CHUNK = 1 << 22  # values that are gathered at once


class LocalCosineField(Field):
    """c channels over height x width pixels: products of local cosines along x and y (`CosineAxis`), few of them.

    Of every tile and channel only chosen functions are kept, those of the signal's own frequencies: where they are is
    stored as a rectangle of the lowest frequencies and one bit for each function in it. They stand on a base of cubic
    B-splines, two tiles apart, for what is flat. Channels are mixed by a c x c matrix at the end, and an offset is
    added. The value, its gradient and its Laplacian are continuous everywhere.

    height, width: in pixels. keep (tiles down, tiles across, functions down, functions across, c): which functions are
    there; None: none. step: coefficients are multiples of it, and stored as such; None: they are stored as they are.
    Raises `InvalidInput` for sizes below 1, steps that are not positive, and another shape or dtype of `keep`.
    """

    keep: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        keep: Tensor | None = None,
        tile: int = TILE,
        step: float | None = None,
    ) -> None:
        if height < 1 or width < 1 or not 2 <= tile <= 255:
            raise InvalidInput(f"an image needs pixels and tiles of 2 to 255, got {height} x {width}, tiles of {tile}")
        if step is not None and not 0 < step < math.inf:
            raise InvalidInput(f"the step of coefficients must be positive, got {step}")
        super().__init__(torch.tensor([[0.0, 0.0], [width, height]]), channels)
        self.tile, self.step = tile, step
        self.down, self.across = CosineAxis.cut(height, tile), CosineAxis.cut(width, tile)
        shape = grid_shape(self.down, self.across, channels)
        keep = torch.zeros(shape, dtype=torch.bool) if keep is None else keep
        check_tensor("keep", keep, shape, torch.bool)
        self.register_buffer("keep", keep)
        self.coefficients = nn.Parameter(torch.zeros(int(keep.sum())))
        self.base = nn.Parameter(torch.zeros(base_shape(height, width, channels, tile)))
        self.mixing = nn.Parameter(torch.eye(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    @property
    def parameter_count(self) -> int:
        """Coefficients, base, colours, and the choice of the functions, 32 bits of which count as one number."""
        return self.mixing.numel() + self.offset.numel() + self.base.numel() + self.cost(self.keep)

    @staticmethod
    def cost(keep: Tensor) -> int:
        """How many numbers of 32 bits the coefficients and the choice of their functions take."""
        return int(keep.sum()) + math.ceil(choice_bits(keep) / 32)

    def config(self) -> dict[str, Any]:
        """What makes a field of this size again; `stored` holds its functions."""
        return {
            "height": self.down.size,
            "width": self.across.size,
            "channels": self.channels,
            "tile": self.tile,
            "step": self.step,
        }

    def quantised(self, bits: int) -> Self:
        """The field with coefficients that are multiples of one step, the largest of 2^(bits - 1) - 1 steps."""
        grid = self.grid().detach()
        step = float(grid.abs().max()) / (2 ** (bits - 1) - 1) or 1.0
        numbers = quantise(grid, step)
        field = type(self)(self.down.size, self.across.size, self.channels, numbers != 0, self.tile, step)
        own = {"keep": numbers != 0, "coefficients": numbers[numbers != 0] * step}
        field.load_state_dict({**self.state_dict(), **own})
        return field

    def stored(self) -> dict[str, Tensor]:
        """Colours, base and coefficients: coded where they are multiples of a step, with packed bits where not."""
        tensors = {"mixing": self.mixing.detach(), "offset": self.offset.detach()}
        if self.step is None:
            own = {"base": self.base.detach(), "coefficients": self.coefficients.detach()}
            return tensors | own | {"choice": pack(self.keep)}
        numbers = (self.grid().detach() / self.step).round().to(torch.int32)
        base = (self.base.detach() / BASE_STEP).round().to(torch.int32)
        return tensors | {"code": bytes_tensor(encode(numbers)), "base": bytes_tensor(encode_base(base))}

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The field that was stored. Raises `InvalidInput` where a size is more than the bytes can stand for."""
        coded = tensors.get("code", tensors.get("choice"))
        pixels = int(config["height"]) * int(config["width"]) * int(config["channels"])
        if coded is None or coded.dtype != torch.uint8 or pixels > most_values(len(coded)):
            raise InvalidInput(f"{0 if coded is None else len(coded)} bytes cannot hold {pixels} coefficients")
        down, across = (CosineAxis.cut(int(config[name]), int(config["tile"])) for name in ("height", "width"))
        shape = grid_shape(down, across, int(config["channels"]))
        if config["step"] is None:
            keep, coefficients, base = unpack(coded, shape), tensors["coefficients"], tensors["base"]
        else:
            numbers = decode(bytes(coded.numpy()), shape)
            keep = numbers != 0
            coefficients = numbers[keep] * float(config["step"])
            lattice = base_shape(down.size, across.size, shape[4], int(config["tile"]))
            base = decode_base(bytes(tensors["base"].numpy()), lattice) * BASE_STEP
        field = cls(**config, keep=keep)
        field.load_state_dict(
            {"bounds": field.bounds, "keep": keep, "coefficients": coefficients, "base": base}
            | {n: tensors[n] for n in ("mixing", "offset")}
        )
        return field

    def grid(self, begin: int = 0, end: int | None = None) -> Tensor:
        """All coefficients (tiles down, tiles across, functions down, functions across, c), 0 where there is none.

        begin, end: of which rows of tiles.
        """
        keep = self.keep[begin:end]
        first = int(self.keep[:begin].sum())
        own = self.coefficients[first : first + int(keep.sum())]
        return torch.zeros_like(keep, dtype=own.dtype).masked_scatter(keep, own)

    def values(self, x: Tensor) -> Tensor:
        """The field at pixels x (N, 2): (N, c)."""
        grid = self.grid()
        size = grid[0, 0].numel()
        found = [self._values(grid, part) for part in x.split(max(CHUNK // size, 1))]
        return self._mixed(torch.cat(found) + spline_values(self.base, x, 2 * self.tile))

    def _values(self, grid: Tensor, x: Tensor) -> Tensor:
        (columns, u), (rows, v) = self.across.functions(x[:, 0]), self.down.functions(x[:, 1])
        out = x.new_zeros(len(x), self.channels)
        for p in range(2):
            for q in range(2):
                along = torch.einsum("nl,nklc->nkc", u[:, q], grid[rows[:, p], columns[:, q]])
                out = out + torch.einsum("nk,nkc->nc", v[:, p], along)
        return out

    def raster(self, height: int | None = None, width: int | None = None, rows: slice = slice(None)) -> Tensor:
        """As of every field of a plane, in bands of tiles; the image's own size where None."""
        y, x = self.pixels(height, width, rows)
        where, _ = self.down.functions(y[[0, -1]])  # the rows of tiles that are needed
        begin, end = int(where.min()), int(where.max()) + 1
        columns = self.grid(begin, end).permute(0, 2, 1, 3, 4)
        along = self.down.synthesise(columns, y.to(columns), begin)  # (rows, tiles across, functions across, c)
        image = self.across.synthesise(along.permute(1, 2, 0, 3), x.to(columns)).transpose(0, 1)
        bases = (spline_matrix(at, 2 * self.tile, n).to(columns) for at, n in zip((y, x), self.base.shape))
        return self._mixed(image + torch.einsum("ya,abc,xb->yxc", next(bases), self.base, next(bases)))

    def _mixed(self, values: Tensor) -> Tensor:
        return values @ self.mixing + self.offset


def base_shape(height: int, width: int, channels: int, tile: int) -> tuple[int, int, int]:
    """Of the coefficients of the base: rows, columns, channels."""
    return spline_count(height, 2 * tile), spline_count(width, 2 * tile), channels


def grid_shape(down: CosineAxis, across: CosineAxis, channels: int) -> tuple[int, int, int, int, int]:
    """Of the coefficients of an image: tiles down, tiles across, functions down, functions across, channels."""
    return down.tiles, across.tiles, down.widest, across.widest, channels
