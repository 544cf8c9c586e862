"""Five charged particles, simulated: where they are, how they move, and where they will be.

The data set of Satorras, Hoogeboom and Welling ("E(n) equivariant graph neural networks", ICML 2021, after Kipf et al.
2018) that networks for particles are compared on, number by number: the same generator, seed and order of operations.
Charges are -1 or 1, positions normal, speeds 0.5; like charges repel by Coulomb's law, each component of a force at
most 100; leapfrog steps of 0.001. A sample is the state after 3,100 steps, and the positions 1,000 steps later.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.pipelines.nbody_data import PARTICLES, Particles
from geokit.pipelines.observer import Observer

SEED = 43
SIMULATED = {"train": 10_000, "valid": 2_000, "test": 2_000}  # drawn in this order from one stream of random numbers
KEPT = {"train": 3_000, "valid": 2_000, "test": 2_000}  # the first of each
_STEP, _STRONGEST, _SPEED = 0.001, 100.0, 0.5
_FIRST, _LAST = 3_100, 4_100  # steps after which the states are taken
_UNUSED = 2 * 49 * 3 * PARTICLES  # normal numbers that the original draws for every sample and multiplies by zero
_TOGETHER = 500  # samples that are simulated at once: their arrays stay in the cache
_A, _B = np.triu_indices(PARTICLES, 1)
Array = NDArray[np.float64]


def simulate_nbody(kept: Mapping[str, int] = KEPT, observer: Observer | None = None) -> dict[str, Particles]:
    """The first samples, as many as `kept` says, of the splits train, valid and test. All in 15 seconds.

    Equal in every bit to the published data on processors whose libraries round alike, else to rounding (which close
    encounters magnify).
    """
    random, begun = np.random.RandomState(SEED), []
    for split, count in SIMULATED.items():
        begun += [_draw(random) for _ in range(count)][: kept[split]]
    parts = []
    for start in range(0, len(begun), _TOGETHER):
        if observer is not None:
            observer.count("Simulating particles", start, len(begun))
        some = (np.stack(arrays, -1) for arrays in zip(*begun[start : start + _TOGETHER]))
        parts.append(_simulate(*some))
    sizes = [kept[split] for split in SIMULATED]
    fields = (np.concatenate(arrays, -1).T.astype(np.float32, order="C") for arrays in zip(*parts))
    splits = (torch.from_numpy(field).split(sizes) for field in fields)
    return {name: Particles(*tensors) for name, tensors in zip(SIMULATED, zip(*splits))}


def _draw(random: np.random.RandomState) -> tuple[Array, Array, Array]:
    """Charges (5,), positions and velocities (3, 5) of one sample."""
    charges = np.where(random.random_sample(PARTICLES) < 0.5, -1.0, 1.0)
    x, v = random.randn(3, PARTICLES), random.randn(3, PARTICLES)
    random.randn(_UNUSED)
    return charges, x, v * _SPEED / np.sqrt((v**2).sum(0))


def _simulate(charges: Array, x: Array, v: Array) -> tuple[Array, Array, Array, Array]:
    """x0, v0 (3, 5, S), charges, x1 of samples with charges (5, S) and states x, v (3, 5, S) at the beginning."""
    products, x, v = charges[_A] * charges[_B], x.copy(), v.copy()
    v += _STEP * _forces(x, products)
    for step in range(1, _LAST + 1):
        x += _STEP * v
        if step == _FIRST:
            x0, v0 = x.copy(), v.copy()
        v += _STEP * _forces(x, products)
    return x0, v0, charges, x


def _forces(x: Array, products: Array) -> Array:
    """(3, 5, S) forces; products (10, S) of the charges of every two particles."""
    # Close encounters magnify rounding errors a million times and more, hence the order of the original's sums, and
    # products and sums rounded together (addcmul) where its linear algebra does so.
    a, b = x[:, _A], x[:, _B]
    squares = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    dots = torch.addcmul(torch.addcmul(left[0] * right[0], left[1], right[1]), left[2], right[2]).numpy()
    pushes = products / np.power(squares[_A] + squares[_B] - 2 * dots, 1.5) * (a - b)
    forces = np.zeros_like(x)
    for pair, (i, j) in enumerate(zip(_A, _B)):
        forces[:, i] += pushes[:, pair]
        forces[:, j] -= pushes[:, pair]
    return np.clip(forces, -_STRONGEST, _STRONGEST, out=forces)
