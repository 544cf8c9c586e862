"""One shape bent onto another: eigenfunctions, places, normals and local looks agree, and little is stretched."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.coarse import CoarseMesh, coarse_mesh
from geokit.spectral.conversions import functional_map_of, point_to_point
from geokit.spectral.deformation import Deformation
from geokit.spectral.descriptors import wave_kernel_signature
from geokit.spectral.heights import heights
from geokit.spectral.laplacian import laplacian
from geokit.spectral.nearest_rows import first_largest, nearest_rows
from geokit.spectral.shape import SpectralShape
from geokit.spectral.zoomout import fit_samples, match_samples, zoomout, zoomout_samples

SAMPLES = 1000  # vertices of the coarse meshes
FUNCTIONS = 60  # eigenfunctions that these compare
# Pulls towards the image, per unit of area: at first shape 2 is stiff, at last soft. One number a step.
PULLS = (30.0,) * 8 + (100.0,) * 6 + (300.0,) * 4
_FINE_PULLS = (500.0, 3000.0)
# Functions of each step of ZoomOut, of first maps and of the best ones.
_GROWN_FIRST, _GROWN = (35, 45, 60), (30, 36, 43, 51, 60, 70, 84, 100)
_UNLIKE, _FIRST = 600.0, 20  # misfit of shapes of different kinds, and the functions with which their map begins
_LEAST = 1e-3  # misfit: those of copies are rounding
_ROUNDS = 2  # of rotations and places between two searches
_PLACES, _NORMALS, _HEIGHTS, _WAVES, _WHERE = 280.0, 21.0, 12.0, 18.0, 100.0  # weights beside eigenfunctions
_HEIGHT_TIMES = (0.0001, 0.0005, 0.002, 0.008)
_ENERGIES, _EVERY = 60, 5  # of the wave kernel signature: neighbouring ones tell the same
_WHEREABOUTS = 12  # eigenfunctions that tell roughly where on a shape a point is
_SLOWEST = 4.0  # the least eigenvalue that they are divided by: those of long thin shapes would outweigh all else
_AROUND, _ASKED = 40, 3  # samples around one, of which every third is asked where its surroundings go


@dataclass(frozen=True)
class Looks:
    """What is compared of N points of a shape of unit area.

    places, normals: (N, 3) float64. masses: (N,) float64. rows: (N, K) eigenfunctions, looks: (N, F) heights and wave
    kernels, weighted, whereabouts: (N, W) eigenfunctions over their eigenvalues, weighted, in which distances are
    biharmonic; float32.
    """

    places: Tensor
    normals: Tensor
    masses: Tensor
    rows: Tensor
    looks: Tensor
    whereabouts: Tensor

    @staticmethod
    def of(shape: SpectralShape, count: int) -> "Looks":
        """Those of all vertices, with `count` eigenfunctions."""
        basis = shape.basis
        waves = wave_kernel_signature(basis, _ENERGIES)[:, ::_EVERY]
        waves = waves / waves.mean(0) * _WAVES
        values = basis.eigenvalues
        slow = (values > 1e-8 * values.max()).nonzero()[: _WHEREABOUTS - 1, 0]  # each component has a zero of its own
        return Looks(
            shape.mesh.vertices,
            shape.normals,
            basis.masses,
            basis.eigenvectors[:, :count].float(),
            torch.cat([heights(shape, _HEIGHT_TIMES) * _HEIGHTS, waves.float()], 1),
            (_WHERE * basis.eigenvectors[:, slow] / values[slow].clamp(min=_SLOWEST)).float(),
        )

    def take(self, samples: Tensor, masses: Tensor) -> "Looks":
        """Those of some of the points, with masses of their own."""
        places, normals, rows = self.places[samples], self.normals[samples], self.rows[samples]
        return Looks(places, normals, masses, rows, self.looks[samples], self.whereabouts[samples])

    def beside(self, count: int, places: Tensor, normals: Tensor, whereabouts: Tensor, rows: Tensor) -> Tensor:
        """(N, D) float32 what is searched for and among: the given values beside the looks."""
        parts = rows[:, :count], _PLACES * places.float(), _NORMALS * normals.float(), self.looks, whereabouts
        return torch.cat(parts, 1)


@dataclass(frozen=True, eq=False)
class CoarseFit:
    """The samples of shape 2 bent onto those of shape 1.

    places: (S2, 3) where they come to lie, turns: (S2, 3, 3) how their surroundings are turned. matches: (S2,) the
    sample of shape 1 that each goes to. steps: of `PULLS`, that have been taken. misfit: what still differs between
    matched samples, mean square, both directions summed: after as many steps the least is of the likeliest map.
    """

    places: Tensor
    turns: Tensor
    matches: Tensor
    steps: int = 0
    misfit: float = math.inf


class ElasticMatcher:
    """Two shapes of unit area made ready to be bent onto each other, shape 2 onto shape 1.

    In turn, every point of shape 2 looks for the one of shape 1 that agrees best in carried eigenfunctions, in place
    and normal as it is bent, in how the surface bulges and waves spread around it, and in where its surroundings go;
    then shape 2 is drawn to these images, as rigidly as they allow: at first so stiff that limbs which were twisted or
    exchanged in part come right, at last soft enough to follow the surface. The product of eigenfunctions, places and
    normals is that of Smooth Shells (Eisenberger et al. 2020).
    """

    def __init__(self, shape1: SpectralShape, shape2: SpectralShape, count: int = 150) -> None:
        """count: eigenfunctions of the final map."""
        self.shape1, self.shape2, self.count = shape1, shape2, count
        self._all1, self._all2 = Looks.of(shape1, count), Looks.of(shape2, count)
        self.coarse1, self.coarse2 = (coarse_mesh(shape.mesh, SAMPLES) for shape in (shape1, shape2))
        self._few1 = self._all1.take(self.coarse1.samples, _cell_masses(self.coarse1, self._all1.masses))
        self._few2 = self._all2.take(self.coarse2.samples, _cell_masses(self.coarse2, self._all2.masses))
        self._deformation = Deformation(self.coarse2.mesh.vertices, laplacian(self.coarse2.mesh))
        apart = torch.cdist(self._few2.whereabouts, self._few2.whereabouts)
        self._around2 = apart.topk(min(_AROUND, len(apart)), largest=False).indices[:, ::_ASKED]

    def refine(self, p2p_21: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """C_12 (count, count) float64, a better p2p_21 (N2,) than the given one, and p2p_12 (N1,)."""
        matches = self.coarse1.cell[p2p_21[self.coarse2.samples]]
        return self.fine(self.bend(self.begin(matches), len(PULLS)))

    def begin_by(self, functional_map: Tensor) -> CoarseFit:
        """As `begin`, from a functional map C_12 (K, K) after a little ZoomOut."""
        size = min(len(functional_map), self.count)
        return self.begin(self._zoomed_matches(functional_map[:size, :size], _GROWN_FIRST))

    def begin(self, matches: Tensor) -> CoarseFit:
        """The samples of shape 2 drawn to the samples (S2,) of shape 1 that they go to at first."""
        places, masses = self._few1.places[matches], self._few2.masses
        turns = self._deformation.turns_at(places)
        bent = self._deformation.towards(places, PULLS[0] * masses, places, turns, _ROUNDS)
        return CoarseFit(*bent, matches)

    def grow(self, fit: CoarseFit) -> CoarseFit:
        """A fit begun anew from its matches after ZoomOut on the samples, as many steps taken."""
        first, *rest = _GROWN
        functional_map = self._map(fit.matches, min(first, self.count))
        return replace(self.begin(self._zoomed_matches(functional_map, rest)), steps=fit.steps)

    def apart(self, fit: CoarseFit, other: CoarseFit) -> float:
        """The mean distance on shape 1 of where two fits take the samples."""
        distances = (self._few1.places[fit.matches] - self._few1.places[other.matches]).norm(dim=1)
        return float(distances @ self._few2.masses / self._few2.masses.sum())

    def bend(self, fit: CoarseFit, steps: int) -> CoarseFit:
        """A fit after more steps, until there are so many."""
        one, two, count = self._few1, self._few2, min(FUNCTIONS, self.count)
        places, turns, matches, misfit = fit.places, fit.turns, fit.matches, fit.misfit
        for pull in PULLS[fit.steps : steps]:
            normals = (turns @ two.normals.unsqueeze(2)).squeeze(2)
            carried = one.rows[:, :count] @ self._map(matches, count).T
            here = two.beside(count, places, normals, self._common(matches), two.rows)
            there = one.beside(count, one.places, one.normals, one.whereabouts, carried)
            matches, back, misfit = _nearest_both(here, there, two.masses, one.masses)
            # Every sample of shape 1 draws on the one that it goes to: without that, tips are not reached.
            masses = two.masses.index_add(0, back, one.masses)
            targets = two.masses[:, None] * one.places[matches]
            targets = targets.index_add(0, back, one.masses[:, None] * one.places) / masses[:, None]
            places, turns = self._deformation.towards(targets, pull * masses, places, turns, _ROUNDS)
        return CoarseFit(places, turns, matches, max(fit.steps, steps), misfit)

    def fine(self, fit: CoarseFit) -> tuple[Tensor, Tensor, Tensor]:
        """C_12 (count, count) float64, p2p_21 (N2,) and p2p_12 (N1,) from a fit after all steps.

        By bending; of shapes that are not poses of one body, as a large misfit tells, by ZoomOut from few functions.
        """
        if fit.misfit > _UNLIKE:
            return self._zoomed(fit)
        one, two, count = self._all1, self._all2, self.count
        cell, turns = self.coarse2.cell, fit.turns[self.coarse2.cell]
        offsets = two.places - self._few2.places[cell]
        places = fit.places[cell] + (turns @ offsets.unsqueeze(2)).squeeze(2)
        normals = (turns @ two.normals.unsqueeze(2)).squeeze(2)
        whereabouts = self._common(fit.matches)[cell]
        functional_map = self._map(fit.matches, count)
        deformation = Deformation(two.places, self.shape2.laplacian)
        for pull in (*_FINE_PULLS, None):
            here = two.beside(count, places, normals, whereabouts, two.rows)
            there = one.beside(count, one.places, one.normals, one.whereabouts, one.rows @ functional_map.T)
            p2p_21 = nearest_rows(here, there)
            if pull is not None:
                functional_map = fit_samples(p2p_21[None], one.rows, two.rows, two.masses.float())[0]
                places, turns = deformation.towards(one.places[p2p_21], pull * two.masses, places, turns)
                normals = Mesh(places, self.shape2.mesh.faces).vertex_normals()
        bases = self.shape1.basis.first(count), self.shape2.basis.first(count)
        return functional_map_of(p2p_21, *bases), p2p_21, nearest_rows(there, here)

    def _zoomed(self, fit: CoarseFit) -> tuple[Tensor, Tensor, Tensor]:
        basis1, basis2 = self.shape1.basis, self.shape2.basis
        functional_map = self._map(fit.matches, min(_FIRST, self.count)).double()
        samples = torch.arange(len(self.shape1)), self.coarse2.samples
        grown, p2p_21 = zoomout(functional_map, basis1, basis2, stop=self.count, step=10, samples=samples)
        return grown, p2p_21, point_to_point(grown.T, basis2, basis1)

    def _zoomed_matches(self, functional_map: Tensor, sizes: Sequence[int]) -> Tensor:
        """Matches (S2,) of samples after ZoomOut from a functional map C_12 to so many functions."""
        rows, grown = (self._few1.rows, self._few2.rows), [(min(size, self.count),) * 2 for size in sizes]
        masses = self._few2.masses.float()
        maps, _ = zoomout_samples(functional_map[None], *rows, grown, lambda *_: masses)
        return match_samples(maps, *rows)[0]

    def _map(self, matches: Tensor, count: int) -> Tensor:
        """C_12 (count, count) float32 of matches (S2,) of samples."""
        rows1, rows2 = self._few1.rows[:, :count], self._few2.rows[:, :count]
        return fit_samples(matches[None], rows1, rows2, self._few2.masses.float())[0]

    def _common(self, matches: Tensor) -> Tensor:
        """(S2, W) whereabouts on shape 1 of the images of most samples around each: a few that stray do not count."""
        images = self._few1.whereabouts[matches[self._around2]].numpy()
        middle = images.shape[1] // 2
        return torch.from_numpy(np.partition(images, middle, axis=1)[:, middle])  # torch's median is 3 times slower


def _cell_masses(coarse: CoarseMesh, masses: Tensor) -> Tensor:
    """(S,) the mass of all vertices in the cell of each sample, and a little where that is none."""
    sums = masses.new_zeros(len(coarse.samples)).index_add(0, coarse.cell, masses)
    return torch.maximum(sums, 1e-3 * sums.mean())


def _nearest_both(here: Tensor, there: Tensor, masses2: Tensor, masses1: Tensor) -> tuple[Tensor, Tensor, float]:
    """(S2,) the row of `there` (S1, D) nearest to each of `here` (S2, D), (S1,) the other way, and mean squares."""
    half_here, half_there = here.square().sum(1) / 2, there.square().sum(1) / 2
    close = torch.addmm(-half_there, here, there.T)
    matches = first_largest(close)
    close -= half_here[:, None]
    back = first_largest(close.T.contiguous())
    misfit = (close.gather(1, matches[:, None])[:, 0].double() * masses2).sum() / masses2.sum()
    misfit += (close[back, torch.arange(len(back))].double() * masses1).sum() / masses1.sum()
    return matches, back, max(-2 * float(misfit), _LEAST)
