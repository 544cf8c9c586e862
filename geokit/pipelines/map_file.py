"""Maps between two meshes, from the files in which people keep them."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.npz import read_array
from geokit.io.safe import existing_file, read_bytes
from geokit.pipelines.match_folder import load_arrays
from geokit.spectral.matching import Match
from geokit.spectral.precise import PreciseMap

_ZIP, NUMPY = b"PK", b"\x93NUMPY"


@dataclass(frozen=True)
class PointMap:
    """A map from shape 2 of N2 vertices to shape 1 of N1.

    p2p_21: (N2,) int64, the vertex of shape 1 that each vertex of shape 2 goes to. p2p_12: (N1,) the other way, if that
    is known. precise_21: as p2p_21, but points in faces. functional_map: (K2, K1), functions from 1 to 2.
    """

    p2p_21: Tensor
    p2p_12: Tensor | None = None
    precise_21: PreciseMap | None = None
    functional_map: Tensor | None = None

    def __repr__(self) -> str:
        return f"PointMap({len(self.p2p_21):,} vertices)"

    @staticmethod
    def of(match: Match) -> "PointMap":
        """The map of a match."""
        return PointMap(match.p2p_21, match.p2p_12, match.precise_21, match.functional_map)

    def pull(self, values: Tensor, faces1: Tensor) -> Tensor:
        """(N2, C) values (N1, C) at the vertices of shape 1, of faces faces1, carried to shape 2."""
        if self.precise_21 is not None:
            return self.precise_21.interpolate(faces1, values)
        return values[self.p2p_21]


def load_map(path: Path, counts: tuple[int, int], faces1: int) -> tuple[PointMap, bool]:
    """The map in a file between shapes of `counts` vertices, the first of `faces1` faces, and whether it goes from the
    first to the second instead of from the second to the first: then the shapes have to be exchanged.

    A match.npz, a .npz with p2p_21 or p2p_12, a .npy, or a text with one vertex number a line, counted from 0. Where a
    list fits both ways it goes from the second shape to the first. Raises `UnreadableFile` for damaged files and
    `InvalidInput` for the map of other shapes.
    """
    arrays, there, exchanged = _read(path, counts)
    if exchanged:
        return PointMap(there), True
    back, functional = arrays.get("p2p_12"), arrays.get("functional_map")
    if functional is not None and (functional.dim() != 2 or not bool(functional.double().isfinite().all())):
        raise UnreadableFile(f"{path}: functional_map is not a finite matrix; make it again")
    return PointMap(
        there,
        None if back is None else checked_map(path, back, counts[1], counts[0]),
        _precise(path, arrays, len(there), faces1),
        functional,
    ), False


def load_p2p(path: Path, counts: tuple[int, int]) -> tuple[Tensor, bool]:
    """Only the list of vertices of `load_map`, (N2,) int64 or, where the shapes have to be exchanged, (N1,)."""
    return _read(path, counts)[1:]


def _read(path: Path, counts: tuple[int, int]) -> tuple[dict[str, Tensor], Tensor, bool]:
    arrays = load_arrays(path) if is_zip(path) else _named(path, counts)
    if "p2p_21" in arrays:
        return arrays, checked_map(path, arrays["p2p_21"], *counts), False
    if "p2p_12" in arrays:
        return arrays, checked_map(path, arrays["p2p_12"], *counts[::-1]), True
    raise UnreadableFile(
        f"{path} holds no map (it holds {', '.join(arrays) or 'nothing'}); give a match.npz, or name the map p2p_21"
    )


def _named(path: Path, counts: tuple[int, int]) -> dict[str, Tensor]:
    """A lone list under the name of the direction that its length fits."""
    numbers = vertex_numbers(path, load_numbers(path))
    forward = len(numbers) == counts[0] and len(numbers) != counts[1]
    return {"p2p_12" if forward else "p2p_21": numbers}


def is_zip(path: Path) -> bool:
    """Is it a .npz, by its first bytes? `UnreadableFile` where no file is there."""
    existing_file(path, "map")
    with open(path, "rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def load_numbers(path: Path) -> Tensor:
    """Numbers (N,) or (N, C) in a .npy, or (N,) in a text with one whole number a line; `#` begins a comment.

    Raises `UnreadableFile` for anything else.
    """
    existing_file(path, "list of vertices")
    with open(path, "rb") as file:
        if file.read(len(NUMPY)) == NUMPY:
            file.seek(0)
            return torch.from_numpy(read_array(path, path.name, file, path.stat().st_size))
    numbers = []
    for line, text in enumerate(read_bytes(path, "list of vertices").decode(errors="replace").splitlines(), start=1):
        word = text.split("#")[0].strip()
        if not word:
            continue
        try:
            numbers.append(float(word))
        except ValueError:
            raise UnreadableFile(
                f"{path}, line {line}: {text.strip()[:40]!r} is not a vertex number; write one a line, counted from 0"
            ) from None
    return torch.tensor(numbers, dtype=torch.float64)


def vertex_numbers(where: object, values: Tensor) -> Tensor:
    """(N,) int64 of whole numbers (N,), (N, 1) or (1, N); `InvalidInput` for other shapes and for fractions."""
    flat = values.squeeze()
    flat = flat.reshape(-1) if values.numel() == 1 else flat
    if flat.dim() != 1 or not len(flat):
        raise InvalidInput(f"{where} has shape {tuple(values.shape)}, wanted one vertex number for every vertex, (N,)")
    if flat.is_floating_point() and not bool((flat.isfinite() & (flat == flat.round())).all()):
        raise InvalidInput(f"{where} holds numbers that are not whole, wanted vertex numbers; save indices, from 0")
    return flat.long()


def checked_map(where: object, values: Tensor, count1: int, count2: int) -> Tensor:
    """(count2,) int64 in [0, count1); `InvalidInput` that says what is wrong with the map in `where` otherwise."""
    numbers = vertex_numbers(where, values)
    if len(numbers) != count2:
        raise InvalidInput(
            f"{where} maps {len(numbers):,} vertices, but the shapes have {count1:,} and {count2:,}; give the map that "
            "was made for these two, and the shapes in the order of geokit match"
        )
    wrong = (numbers < 0) | (numbers >= count1)
    if bool(wrong.any()):
        i = int(wrong.nonzero()[0, 0])
        counted = "; it seems to count from 1: subtract 1" if int(numbers.min()) == 1 else "; give the map of these two"
        raise InvalidInput(
            f"{where} sends vertex {i:,} to {int(numbers[i]):,}, but there are vertices 0 to {count1 - 1:,}{counted}"
        )
    return numbers


def _precise(path: Path, arrays: dict[str, Tensor], count: int, faces: int) -> PreciseMap | None:
    if not {"precise_faces_21", "precise_barycentrics_21"} <= set(arrays):
        return None
    ids, weights = arrays["precise_faces_21"], arrays["precise_barycentrics_21"].double()
    inside = ids.shape == (count,) and weights.shape == (count, 3) and not ids.is_floating_point()
    if not inside or bool(((ids < 0) | (ids >= faces)).any()) or not bool(weights.isfinite().all()):
        raise InvalidInput(f"{path}: precise_faces_21 does not fit the {faces:,} faces of the first shape; match again")
    return PreciseMap(ids.long(), weights)
