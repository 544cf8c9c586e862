"""Field files: fields of the kinds of `CLASSES`, each in one safetensors file, exact or in few bits."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.backend.entropy_ops import bytes_tensor, decode_planes, encode_planes, most_values, no_parents
from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields.distance_field import DistanceField
from geokit.fields.field import Field
from geokit.fields.fourier import FourierField
from geokit.fields.gaussian_field import GaussianField
from geokit.fields.grid_field import GridField
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.radial import RadialField
from geokit.fields.siren import SirenField
from geokit.fields.surface import SurfaceField
from geokit.io.checkpoints import load_checkpoint, save_checkpoint

ENDING = ".field"
CLASSES: dict[str, type[Field]] = {
    "local cosines": LocalCosineField,
    "grids": GridField,
    "sines": SirenField,
    "waves": FourierField,
    "radial": RadialField,
    "surface": SurfaceField,
    "distances": DistanceField,
    "gaussians": GaussianField,
}
_DAMAGED = (InvalidInput, KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError, MemoryError)
_FEW = 64  # numbers that are not worth a code
_CODED = "coded:"


def save_field(path: str | Path, field: Field, bits: int | None = None) -> int:
    """Write the field, atomically, and return the bytes of the file, which `load_field` reads.

    bits: of the largest magnitudes of each tensor, sign included: its numbers become multiples of one step and are
    entropy coded. None: numbers stay as the field holds them, and those of a field of a given size stay coded. Raises
    `InvalidInput` for bits that are not 2 to 24 and for a field of an unknown class.
    """
    names = [name for name, kind in CLASSES.items() if type(field) is kind]
    if not names:
        raise InvalidInput(f"{type(field).__name__} cannot be written, only {', '.join(CLASSES)}")
    if bits is not None and not 2 <= bits <= 24:
        raise InvalidInput(f"bits must be 2 to 24, got {bits}")
    if field.bounds.device.type != "cpu":  # codes are made there
        field = copy.deepcopy(field).cpu()
    own = None if bits is None else field.quantised(bits)
    if own is not None:
        field, bits = own, None
    tensors = field.stored()
    metadata: dict[str, Any] = {"kind": "field", "field": names[0], "config": field.config()}
    if bits is not None:
        metadata["coded"] = {}
        for name, tensor in list(tensors.items()):
            if tensor.is_floating_point() and tensor.numel() > _FEW:
                step = float(tensor.abs().max()) / (2 ** (bits - 1) - 1) or 1.0
                numbers = (tensor.detach() / step).round().to(torch.int32)
                code = encode_planes(_as_planes(numbers), no_parents(1))
                metadata["coded"][name] = {
                    "step": step,
                    "shape": list(tensor.shape),
                    "dtype": str(tensor.dtype).removeprefix("torch."),
                }
                tensors[_CODED + name] = bytes_tensor(code)
                del tensors[name]
    save_checkpoint(path, tensors, metadata)
    return Path(path).stat().st_size


def load_field(path: str | Path) -> Field:
    """The field of a file that `save_field` wrote. Raises `UnreadableFile` for any other or damaged file."""
    tensors, metadata = load_checkpoint(path)
    kind = CLASSES.get(str(metadata.get("field")))
    if metadata.get("kind") != "field" or kind is None:
        raise UnreadableFile(
            f"{path} is not a field, but {metadata.get('kind', 'something else')}; make one by geokit fit"
        )
    try:
        for name, coded in metadata.get("coded", {}).items():
            tensors[name] = _decoded(tensors.pop(_CODED + name), coded)
        _check_numbers(metadata["field"], metadata["config"], tensors)
        return kind.restored(metadata["config"], tensors)
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise UnreadableFile(f"{path} is a damaged field ({reason}); make it again by geokit fit") from error


def _check_numbers(kind: str, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Raises `InvalidInput` where the structure is of more numbers than there are, before memory is asked for."""
    least = _LEAST.get(kind)
    if least is None:  # `restored` checks it
        return
    wanted, there = least(config, tensors["bounds"].shape[1]), sum(tensor.numel() for tensor in tensors.values())
    if not 0 <= wanted <= there:
        raise InvalidInput(f"it tells of {wanted} numbers and holds {there}")


def _network(config: dict[str, Any], inputs: int) -> int:
    hidden = int(config["hidden"])
    return hidden * (inputs + int(config["channels"])) + (int(config["layers"]) - 1) * hidden**2


def _tables(config: dict[str, Any], d: int) -> int:
    cells, rows = config["cells"], config["rows"]
    rows = rows if isinstance(rows, list) else [rows] * len(cells)
    return int(config["features"]) * sum(min(int(r), math.prod(int(n) for n in c)) for r, c in zip(rows, cells))


# Numbers that a field of a structure holds at least, by its config and the dimension of space.
_LEAST: dict[str, Callable[[dict[str, Any], int], int]] = {
    "grids": lambda c, d: _tables(c, d) + _network(c, 0),
    "sines": _network,
    "waves": lambda c, d: int(c["waves"]) * d + _network(c, 2 * int(c["waves"])),
    "radial": lambda c, d: int(c["kernels"]) * (d + int(c["channels"])),
    "gaussians": lambda c, d: int(c["count"]) * (d + 1),
}


def _decoded(code: Tensor, coded: dict[str, Any]) -> Tensor:
    shape = [int(size) for size in coded["shape"]]
    count = math.prod(shape)
    if min(shape, default=0) < 0 or not 0 <= count <= most_values(len(code)):
        raise InvalidInput(f"{len(code)} bytes cannot hold {shape} numbers")
    dtype = {"float32": torch.float32, "float64": torch.float64}[coded["dtype"]]
    rows, columns = _rows(count)
    numbers = decode_planes(bytes(code.numpy()), no_parents(1), rows, columns).flatten()[:count]
    return (numbers.to(dtype) * float(coded["step"])).reshape(shape)


def _rows(count: int) -> tuple[int, int]:
    return (count + 63) // 64, 64


def _as_planes(numbers: Tensor) -> Tensor:
    rows, columns = _rows(numbers.numel())
    flat = numbers.new_zeros(rows * columns)
    flat[: numbers.numel()] = numbers.flatten()
    return flat.reshape(1, rows, columns)
