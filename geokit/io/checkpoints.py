"""Checkpoints: named tensors and a dictionary of metadata in one safetensors file. No pickle."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.safe import atomic_write, existing_file

_KEY = "geokit"


def save_checkpoint(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write the tensors (any shapes, dtypes and devices) and the metadata (whatever JSON can hold), atomically."""
    from safetensors.torch import save

    try:
        described = json.dumps(metadata)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{path}: the metadata of a checkpoint must be plain JSON values ({error})") from error
    content = save(_apart(tensors), {_KEY: described})
    with atomic_write(path) as file:
        file.write(content)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, no two of them in one storage (safetensors refuses that)."""
    taken: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        if own.untyped_storage().data_ptr() in taken:
            own = own.clone()
        taken.add(own.untyped_storage().data_ptr())
        plain[name] = own
    return plain


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the metadata. Raises `UnreadableFile` for anything else."""
    from safetensors import SafetensorError, safe_open

    path = existing_file(path, "checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UnreadableFile(
            f"{path} is not a readable checkpoint ({error}); it is damaged: use an older one"
        ) from error
    if not isinstance(described, dict):
        raise UnreadableFile(f"{path} carries no geokit metadata; it is not a checkpoint of geokit")
    return tensors, described
