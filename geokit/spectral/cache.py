"""Eigenpairs kept on disk under the content of their Laplacian."""

import hashlib
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from geokit.errors import GeokitError
from geokit.geometry.sparse import SparseMatrix
from geokit.io.safe import atomic_write
from geokit.spectral.shift_invert import TOLERANCE, eigenvalue_scale

_VERSION = 1  # of what is stored, and of the solver that made it
_SUFFIX = ".eigen.safetensors"
_NAMES = ("eigenvalues", "eigenvectors", "residuals")

Pairs = tuple[Tensor, Tensor, Tensor]  # eigenvalues (K,), eigenvectors (N, K), residuals (K,)


def cache_folder() -> Path:
    """Where results are kept unless told otherwise: $GEOKIT_CACHE, else the user's own cache folder."""
    if named := os.environ.get("GEOKIT_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "geokit"
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(local) if local else Path.home() / ".cache") / "geokit"


class EigenCache:
    """A folder of eigenpairs, one safetensors file a Laplacian, of the largest count that was asked for.

    limit: bytes of all files; the least recently used go first. Files that are damaged are told of, ignored and
    replaced; a folder that cannot be written is told of and nothing is lost but time.
    """

    def __init__(self, folder: Path | None = None, limit: int = 4 << 30) -> None:
        self.folder, self.limit = (cache_folder() if folder is None else Path(folder)), limit

    def path(self, stiffness: SparseMatrix, masses: Tensor) -> Path:
        """The file of a problem: its name is the hash of every number of it."""
        content = hashlib.blake2b(f"geokit eigenpairs {_VERSION}".encode(), digest_size=20)
        for tensor in (stiffness.offsets, stiffness.columns, stiffness.values, masses):
            content.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            content.update(_bytes(tensor))
        return self.folder / (content.hexdigest() + _SUFFIX)

    def load(self, stiffness: SparseMatrix, masses: Tensor, count: int) -> Pairs | None:
        """The `count` smallest pairs where that many are kept, to the residuals that were promised; else None."""
        path = self.path(stiffness, masses)
        if not path.is_file():
            return None
        try:
            values, vectors, residuals = _read(path, len(masses))
        except (OSError, ValueError) as error:
            warnings.warn(f"{path} is damaged ({error}): the eigenpairs are computed again", stacklevel=3)
            return None
        if len(values) < count:
            return None
        # Residuals are relative to the largest eigenvalue asked for.
        larger = eigenvalue_scale(values, masses) / eigenvalue_scale(values[:count], masses)
        residuals = residuals[:count] * larger
        if float(residuals.max()) > TOLERANCE:
            return None
        with suppress(OSError):  # in a folder that may only be read, nothing is ever removed either
            os.utime(path)
        return values[:count].clone(), vectors[:, :count].contiguous(), residuals

    def save(self, stiffness: SparseMatrix, masses: Tensor, pairs: Pairs) -> None:
        """Keep eigenpairs, if their residuals are those promised, and remove what has not been used for longest."""
        from safetensors.torch import save

        if float(pairs[2].max()) > TOLERANCE:
            return
        tensors = dict(zip(_NAMES, (t.contiguous() for t in pairs)))
        content = save(tensors, {"checksum": _checksum(tensors)})
        try:
            if len(content) <= self.limit:
                with atomic_write(self.path(stiffness, masses)) as file:
                    file.write(content)
                self._shrink()
        except (GeokitError, OSError) as error:
            warnings.warn(f"the eigenpairs were not kept for the next time: {error}", stacklevel=3)

    def _shrink(self) -> None:
        files = [(path, path.stat()) for path in self.folder.glob(f"*{_SUFFIX}")]
        files.sort(key=lambda file: file[1].st_mtime, reverse=True)
        total = 0
        for path, status in files:
            total += status.st_size
            if total > self.limit:
                path.unlink(missing_ok=True)


def _read(path: Path, size: int) -> Pairs:
    """The tensors of a file; ValueError where they are not what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            checksum = (file.metadata() or {}).get("checksum")
            tensors = {name: file.get_tensor(name) for name in _NAMES}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    values, vectors, residuals = (tensors[name] for name in _NAMES)
    if checksum != _checksum(tensors) or vectors.shape != (size, len(values)) or values.shape != residuals.shape:
        raise ValueError("its content is not what was written")
    return values, vectors, residuals


def _checksum(tensors: dict[str, Tensor]) -> str:
    content = hashlib.blake2b(digest_size=16)
    for name in _NAMES:
        content.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        content.update(_bytes(tensors[name]))
    return content.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy().data
