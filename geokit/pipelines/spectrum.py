"""The eigenvalues and eigenfunctions of a shape, from a file to a file."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.io.photographs import save_picture
from geokit.io.safe import atomic_write
from geokit.pipelines.observer import Observer
from geokit.pipelines.open_shape import open_shape
from geokit.pipelines.spectrum_pictures import eigenfunction_sheet, shown_functions
from geokit.spectral.cleaning import clean
from geokit.spectral.eigen import Eigenbasis, eigenbasis
from geokit.spectral.laplacian import laplacian

_USUAL = 200  # eigenpairs
_ZERO = 1e-6  # of the largest eigenvalue


@dataclass(frozen=True)
class Spectrum:
    """What `find_spectrum` found, in the unit of the given shape.

    basis: on the V vertices as given; its eigenvalues are in 1 / length^2. Of vertices at the same place one has the
    mass of all. area: in length^2. components: eigenvalues that are zero. files: what was written.
    """

    source: Path
    shape: Mesh | PointCloud
    basis: Eigenbasis
    area: float
    components: int
    seconds: float
    files: tuple[Path, ...] = ()
    pictured: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "source": str(self.source),
            "vertices": len(self.basis.masses),
            "area": self.area,
            "components": self.components,
            "eigenvalues": self.basis.eigenvalues.tolist(),
            "largest_residual": float(self.basis.residuals.max()),
            "seconds": self.seconds,
            "files": [str(file) for file in self.files],
            "messages": list(self.messages),
        }


def find_spectrum(
    source: str | Path,
    output: str | Path | None = None,
    pictures: str | Path | None = None,
    *,
    count: int | None = None,
    cache: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Spectrum:
    """The `count` smallest eigenpairs of the Laplacian of a mesh or a cloud of points (all there are, at most 200).

    output: a .npz file for eigenvalues (K,), eigenvectors (V, K), masses (V,) and residuals (K,). pictures: a .png or
    .jpg file for a sheet of eigenfunctions of a mesh. cache: keep the result, and look for an earlier one.
    Raises `InvalidInput` for splats, pictures of points, a count that the shape does not have and files that exist,
    unless `overwrite`.
    """
    observer, source = observer or Observer(), Path(source)
    files = tuple(
        _new_file(path, endings, overwrite)
        for path, endings in ((output, (".npz",)), (pictures, (".png", ".jpg")))
        if path is not None
    )
    observer.phase(f"reading {source.name}")
    opened = open_shape(source)
    shape, messages = opened.shape, list(opened.messages)
    if isinstance(shape, Splats):
        raise InvalidInput(f"{source} holds splats, which are no surface; make one of them with geokit mesh first")
    if pictures is not None and isinstance(shape, PointCloud):
        raise InvalidInput(f"{source} holds points; eigenfunctions are drawn on meshes only, leave out --pictures")
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        basis, report = vertex_basis(shape, count, cache, observer)
    messages += [*report, *(str(warning.message) for warning in caught)]
    seconds = time.perf_counter() - start
    if output is not None:
        observer.phase(f"writing {files[0].name}")
        with atomic_write(files[0]) as file:
            names = ("eigenvalues", "eigenvectors", "masses", "residuals")
            np.savez(file, allow_pickle=False, **{name: getattr(basis, name).numpy() for name in names})
    drawn: tuple[int, ...] = ()
    if pictures is not None and isinstance(shape, Mesh):
        observer.phase("drawing")
        drawn = shown_functions(basis)
        save_picture(files[-1], eigenfunction_sheet(shape, basis, drawn))
    area, values = float(basis.masses.sum()), basis.eigenvalues
    components = int((values <= _ZERO * max(float(values[-1]), 1 / area)).sum())
    return Spectrum(source, shape, basis, area, components, seconds, files, drawn, tuple(messages))


def vertex_basis(
    shape: Mesh | PointCloud,
    count: int | None,
    cache: bool = False,
    observer: Observer | None = None,
    most: int = _USUAL,
) -> tuple[Eigenbasis, tuple[str, ...]]:
    """The `count` smallest eigenpairs on the vertices as given, in their unit, and a sentence on each thing cleaned.

    count: None for all there are, at most `most`. Raises `InvalidInput` for a count that the shape does not have, for
    meshes of which no face has an area, and fewer than four points.
    """
    observer = observer or Observer()
    observer.phase("building the Laplacian")
    if isinstance(shape, PointCloud):
        points = len(shape)
        operator, scale = laplacian(shape), 1.0
        report: tuple[str, ...] = ()
        given = origins = torch.arange(points)
    else:
        cleaned = clean(shape)
        operator, scale, report = laplacian(cleaned.mesh), cleaned.scale, cleaned.report
        given, origins = cleaned.given, cleaned.origins
    wanted = min(most, len(operator)) if count is None else count

    def progress(found: int, total: int) -> None:
        observer.count("eigenpairs", found, total)

    observer.phase("eigenpairs")
    basis = eigenbasis(operator, wanted, cache=cache, progress=progress)
    masses = basis.masses.new_zeros(len(given)).index_copy(0, origins, basis.masses / scale**2)
    values, vectors = basis.eigenvalues * scale**2, basis.eigenvectors[given] * scale
    return Eigenbasis(values, vectors, masses, basis.residuals), tuple(report)


def _new_file(path: str | Path, endings: tuple[str, ...], overwrite: bool) -> Path:
    path = Path(path)
    if path.suffix.lower() not in endings:
        raise InvalidInput(f"{path} must end in {' or '.join(endings)}; choose another name")
    if path.exists() and not overwrite:
        raise InvalidInput(f"{path} exists already; choose another name, or replace it with --overwrite")
    return path


def wavelengths(eigenvalues: Tensor) -> Tensor:
    """(K,) the lengths, 2 pi / sqrt(lambda), of the waves that eigenfunctions are; infinite for zero."""
    return 2 * torch.pi / eigenvalues.clamp_min(0).sqrt()
