"""Priors on functional maps beside the cheap ones: masks in a fit to few descriptors, training on one pair, scores.

    python benchmarks/spectral_prior.py

Errors are mean distances along edges (Dijkstra) over the square root of the area, times 100, on faust_r_train and
tosca_r. The weight of every mask is the one that is best on other pairs than those it is measured on.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import ROOT, print_table
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from spectral_data import Known, load_known
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.sampling import farthest_points
from geokit.spectral.descriptors import heat_kernel_signature, wave_kernel_signature
from geokit.spectral.functional_map import resolvent_mask, slanted_mask, solve_functional_map
from geokit.spectral.nearest_rows import nearest_rows
from geokit.spectral.prior import Prior, denoising_mask, denoising_residual, load_prior, second_moment_mask
from geokit.spectral.prior.masks import posterior_mask
from geokit.spectral.shape import SpectralShape, prepare
from geokit.spectral.zero_shot import zero_shot_map
from geokit.spectral.zoomout import growing_sizes, zoomout, zoomout_samples

DATA = Path(os.environ.get("GEOKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
SIZE = 30
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0)
TUNING = [("tr_reg_003", "tr_reg_041"), ("tr_reg_055", "tr_reg_012"), ("cat0", "cat8"), ("dog5", "dog0")]
PAIRS = [
    ("tr_reg_012", "tr_reg_070"), ("tr_reg_070", "tr_reg_027"), ("tr_reg_027", "tr_reg_055"),
    ("tr_reg_041", "tr_reg_012"), ("cat8", "cat3"), ("cat3", "cat0"), ("dog0", "dog2"), ("dog2", "dog5"),
]  # fmt: skip
ZERO_SHOT = [("cat0", "cat8"), ("tr_reg_012", "tr_reg_070")]
STEPS = 40
Mask = Callable[["Shape", "Shape", Tensor], Tensor]


@dataclass(frozen=True)
class Shape:
    """A shape of the data, what is computed of it once, and distances to 300 of its landmarks."""

    known: Known
    shape: SpectralShape
    samples: Tensor
    probes: Tensor
    distances: Tensor

    @property
    def vectors(self) -> Tensor:
        return self.shape.basis.eigenvectors

    def error(self, p2p: Tensor) -> float:
        """Of the vertices (300,) that the probes of another shape go to."""
        return 100 * float(self.distances[torch.arange(len(p2p)), p2p].mean())

    def descriptors(self, landmarks: Tensor) -> Tensor:
        """Coefficients (30, D) of wave kernel signatures and of heat from the landmarks."""
        basis = self.shape.basis
        heat = heat_kernel_signature(basis, 20, landmarks=self.known.landmarks[landmarks]).flatten(1)
        values = torch.cat([wave_kernel_signature(basis, 100), heat], 1)
        return basis.first(SIZE).project(values / (values.square() * basis.masses[:, None]).sum(0).sqrt())


def load(name: str) -> Shape:
    known = load_known(DATA, name)
    shape = prepare(known.mesh, 100)
    probes = torch.randperm(len(known.landmarks), generator=torch.Generator().manual_seed(0))[:300]
    sources = shape.given[known.landmarks[probes]]
    distances = torch.from_numpy(dijkstra(_edges(shape.mesh), directed=False, indices=sources.numpy()))
    return Shape(known, shape, farthest_points(shape.mesh.vertices, 800), probes, distances)


def _edges(mesh: Mesh) -> Any:
    ends = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).sort(1).values.unique(dim=0)
    lengths = (mesh.vertices[ends[:, 0]] - mesh.vertices[ends[:, 1]]).norm(dim=1)
    return coo_array((lengths.numpy(), ends.T.numpy()), (len(mesh.vertices),) * 2).tocsr()


def masks(prior: Prior) -> dict[str, Mask]:
    """Penalties of the raw map of a pair, by name."""
    gaussian, diffusion = prior.gaussian.denoise, prior.diffusion.denoise
    moments = second_moment_mask(prior.gaussian).double()

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    return {
        "no mask": lambda a, b, raw: torch.ones_like(raw),
        "slanted": lambda a, b, raw: slanted_mask(SIZE, SIZE).to(raw),
        "resolvent": lambda a, b, raw: resolvent_mask(
            a.shape.basis.eigenvalues[:SIZE], b.shape.basis.eigenvalues[:SIZE]
        ),
        "second moments of the corpus": lambda a, b, raw: moments,
        "Gaussian, denoising (DiffuMatch)": lambda a, b, raw: denoising_mask(raw, gaussian, generator=seeded()),
        "diffusion, denoising (DiffuMatch)": lambda a, b, raw: denoising_mask(raw, diffusion, generator=seeded()),
        "Gaussian, posterior moments": lambda a, b, raw: posterior_mask(raw, gaussian, prior.gaussian),
        "diffusion, posterior moments": lambda a, b, raw: posterior_mask(raw, diffusion, prior.gaussian),
    }


def fits(shapes: dict[str, Shape], prior: Prior) -> list[dict[str, Any]]:
    """Two landmarks and wave kernel signatures, fitted with each mask: errors of the fit and after ZoomOut."""
    chosen = masks(prior)
    errors = {(name, weight): [] for name in chosen for weight in WEIGHTS}
    maps = {key: [] for key in errors}
    for number, (one, two) in enumerate(TUNING + PAIRS):
        a, b = shapes[one], shapes[two]
        pick = torch.randperm(len(a.known.landmarks), generator=torch.Generator().manual_seed(number))[:2]
        left, right = a.descriptors(pick), b.descriptors(pick)
        raw = solve_functional_map(left, right, left.new_full((SIZE, SIZE), 1e-3))
        for name, mask in chosen.items():
            penalty = mask(a, b, raw)
            for weight in WEIGHTS:
                found = solve_functional_map(left, right, weight * penalty / penalty.mean() + 1e-6)
                errors[name, weight].append(a.error(_probed(found, a, b)))
                maps[name, weight].append(found)
    rows = []
    for name in chosen:
        weight = min(WEIGHTS, key=lambda w: sum(errors[name, w][: len(TUNING)]))
        fit = torch.tensor(errors[name, weight][len(TUNING) :])
        refined = torch.tensor(
            [_refined(c, shapes[x], shapes[y]) for c, (x, y) in zip(maps[name, weight][len(TUNING) :], PAIRS)]
        )
        rows.append({
            "case": name, "weight": weight, "fit": float(fit.mean()), "ZoomOut": float(refined.mean()),
            "median": float(refined.median()), "above 10": f"{int((refined > 10).sum())} of {len(PAIRS)}",
        })  # fmt: skip
    return rows


def _probed(functional_map: Tensor, a: Shape, b: Shape) -> Tensor:
    """(300,) the vertices of a that the probed vertices of b go to."""
    probes = b.known.landmarks[a.probes]
    count2, count1 = functional_map.shape
    return nearest_rows(b.vectors[probes, :count2].contiguous(), a.vectors[:, :count1] @ functional_map.T)


def _refined(functional_map: Tensor, a: Shape, b: Shape) -> float:
    bases = a.shape.basis, b.shape.basis
    _, p2p = zoomout(functional_map, *bases, stop=100, step=10, samples=(a.samples, b.samples))
    return a.error(p2p[b.known.landmarks[a.probes]])


def scores(shapes: dict[str, Shape], prior: Prior) -> list[dict[str, Any]]:
    """Which of 32 maps (from the signs of five eigenfunctions) each score picks; errors up to the mirror image."""
    picked: dict[str, list[float]] = {}
    for one, two in TUNING + PAIRS[:4]:
        a, b = shapes[one], shapes[two]
        signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * 5)
        start = torch.diag_embed(torch.cat([signs.new_ones(len(signs), 1), signs], 1))
        rows = [s.vectors[s.samples[:300]] for s in (a, b)]
        maps, _ = zoomout_samples(start, *rows, growing_sizes((6, 6), SIZE, 3))
        mirrored = dijkstra(_edges(a.shape.mesh), directed=False, indices=a.known.mirrored[a.probes].numpy())
        mirror = Shape(a.known, a.shape, a.samples, a.probes, torch.from_numpy(mirrored))
        errors = [min(side.error(_probed(c, a, b)) for side in (a, mirror)) for c in maps]
        resolvent = resolvent_mask(*(s.shape.basis.eigenvalues[:SIZE] for s in (a, b)))
        rated = {
            "resolvent energy": [float((resolvent * c.square()).sum()) for c in maps],
            "|C^T C - I|": [float((c.T @ c - torch.eye(SIZE)).square().sum()) for c in maps],
            "Gaussian density": [-float(prior.gaussian.log_density(c.abs().float()[None], 0.05)) for c in maps],
            "diffusion residual": [
                denoising_residual(c, prior.diffusion.denoise, generator=torch.Generator().manual_seed(0)) for c in maps
            ],
            "best there is": errors,
        }
        for name, values in rated.items():
            picked.setdefault(name, []).append(errors[min(range(len(values)), key=values.__getitem__)])
    return [{"case": name, "picked": sum(e) / len(e), "worst": max(e)} for name, e in picked.items()]


def zero_shot(shapes: dict[str, Shape], prior: Prior) -> list[dict[str, Any]]:
    """Training on the pair alone, without landmarks, from wave kernel signatures."""
    chosen = masks(prior)
    runs = [
        ("no mask", None), ("resolvent", None), ("second moments of the corpus", None),
        ("second moments of the corpus", prior.gaussian.denoise),
        ("diffusion, denoising (DiffuMatch)", prior.diffusion.denoise),
        ("diffusion, posterior moments", prior.diffusion.denoise),
    ]  # fmt: skip
    rows = []
    for name, denoise in runs:
        row: dict[str, Any] = {"case": name, "distilled": denoise is not None}
        start = time.process_time()
        for one, two in ZERO_SHOT:
            a, b = shapes[one], shapes[two]
            found = zero_shot_map(a.shape, b.shape, lambda raw: chosen[name](a, b, raw), denoise, steps=STEPS)  # noqa: B023
            row[f"{one}, {two}"] = _refined(found.functional_map, a, b)
        rows.append(row | {"CPU s": (time.process_time() - start) / len(ZERO_SHOT)})
        print("  ...", rows[-1], file=sys.stderr)
    return rows


def section(prior: Path | None = None) -> list[dict[str, Any]]:
    """The table of masks; those of the other two uses are printed beside it."""
    torch.set_num_threads(1)
    known = load_prior(prior)
    names = set(itertools.chain(*TUNING, *PAIRS))
    shapes = {name: load(name) for name in sorted(names)}
    rows = fits(shapes, known)
    print_table("Fit to WKS and two landmarks, K = 30, then ZoomOut to 100: error x 100", rows)
    print_table("Which of 32 candidates a score picks: error x 100, up to the mirror image", scores(shapes, known))
    print_table(f"Zero-shot, {STEPS} steps, no landmarks: error x 100 after ZoomOut to 100", zero_shot(shapes, known))
    return rows


if __name__ == "__main__":
    section(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
