"""Fourier transforms of simplices in closed form: speed against the formula in plain torch, accuracy of float32.

    python benchmarks/fields_fourier.py [--modes 128] [--triangles 10000] [--quick]

One thread. The formula is the published one, a sum over corners of exp(-i s) over products of differences of phases, in
float64, which has no values where phases coincide; it is timed on some simplices and modes and its time is multiplied
up. Results go to benchmarks/results/fields_fourier.json.
"""

import argparse
import time

import torch
from common import machine, print_table, save
from torch import Tensor

from geokit.fields.simplex_fourier import simplex_contents, simplex_fourier, simplex_fourier_at

KINDS = {0: "points", 1: "edges", 2: "triangles", 3: "tetrahedra"}


def soup(count: int, corners: int, size: float) -> tuple[Tensor, Tensor]:
    """Simplices of random corners, as far apart as `size`, all over the unit cube."""
    g = torch.Generator().manual_seed(0)
    centres = 0.1 + 0.8 * torch.rand(count, 1, 3, generator=g)
    places = centres + size * (torch.rand(count, corners, 3, generator=g) - 0.5)
    return places.reshape(-1, 3), torch.arange(count * corners).reshape(count, corners)


def ball(triangles: int) -> tuple[Tensor, Tensor]:
    """A sphere of radius 0.4 by rings of triangles, closed."""
    rings = max(round((triangles / 4) ** 0.5), 2)
    around = 2 * rings
    polar = torch.linspace(0, torch.pi, rings + 1, dtype=torch.float64)[1:-1, None]
    turn = torch.arange(around, dtype=torch.float64) * (2 * torch.pi / around)
    body = torch.stack((polar.sin() * turn.cos(), polar.sin() * turn.sin(), polar.cos().expand(-1, around)), 2)
    places = torch.cat((body.reshape(-1, 3), torch.tensor([[0.0, 0, 1], [0, 0, -1]], dtype=torch.float64)))
    ring, i = torch.arange(around), torch.arange(around).roll(-1)
    faces = [torch.stack((torch.full_like(ring, len(places) - 2), ring, i), 1)]
    for r in range(rings - 2):
        a, b = ring + r * around, i + r * around
        faces += [torch.stack((a, a + around, b), 1), torch.stack((b, a + around, b + around), 1)]
    last = (rings - 2) * around
    faces.append(torch.stack((torch.full_like(ring, len(places) - 1), i + last, ring + last), 1))
    return (0.5 + 0.4 * places).float(), torch.cat(faces)


def published(vertices: Tensor, simplices: Tensor, frequencies: Tensor) -> Tensor:
    """The sum over corners in float64, at frequencies (K, 3)."""
    phases = vertices.double()[simplices] @ frequencies.T  # (m, j + 1, K)
    j = simplices.shape[1] - 1
    scale = simplex_contents(vertices.double(), simplices) * (1, 1, 2, 6)[j]
    total = torch.zeros(len(frequencies), dtype=torch.complex128)
    for t in range(j + 1):
        product = torch.ones_like(phases[:, 0])
        for u in range(j + 1):
            if u != t:
                product = product * (phases[:, t] - phases[:, u])
        total += (scale[:, None] * torch.exp(-1j * phases[:, t]) / product).sum(0)
    return total * 1j**j


def seconds(call) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def speed(triangles: int, modes: int) -> list[dict]:
    pairs = triangles * modes * modes * (modes // 2 + 1)
    some = torch.randn(1 << 13, 3, dtype=torch.float64) * 100
    rows = []
    for corners, size in ((2, 0.03), (3, 0.005), (3, 0.03), (3, 0.3), (4, 0.03)):
        vertices, simplices = soup(triangles, corners, size)
        few = simplices[:100]
        simplex_fourier(vertices, few, modes=8)
        published(vertices, few, some)
        formula = min(seconds(lambda v=vertices, f=few: published(v, f, some)) for _ in range(3))
        each = formula / (len(few) * len(some))
        count = triangles if (corners, size) == (3, 0.03) else max(triangles // 10, 1)  # one in full, others by a tenth
        ours = seconds(lambda v=vertices, s=simplices[:count]: simplex_fourier(v, s, modes=modes)) * triangles / count
        row = {"simplices": KINDS[corners - 1], "size": size, "count": triangles, "modes": f"{modes}^3"}
        row |= {"geokit CPU s": ours, "ns a pair": 1e9 * ours / pairs, "measured part": count / triangles}
        rows.append(row | {"formula CPU s (extrapolated)": each * pairs, "times": each * pairs / ours})
    return rows


def solids_and_gradients(triangles: int, modes: int) -> list[dict]:
    vertices, faces = ball(triangles)
    rows = []
    for what, solid in (("surface", False), ("solid", True)):
        leaf = vertices.clone().requires_grad_()
        begun = time.process_time()
        spectrum = simplex_fourier(leaf, faces, modes=modes, solid=solid)
        forward = time.process_time() - begun
        backward = seconds(lambda s=spectrum: s.abs().square().sum().backward())
        row = {"transform": what, "triangles": len(faces), "modes": f"{modes}^3", "forward CPU s": forward}
        rows.append(row | {"backward CPU s": backward})
    return rows


def accuracy() -> list[dict]:
    cases = [(KINDS[n - 1], size, soup(200, n, size)) for size in (0.5, 0.03, 1e-3) for n in (2, 3, 4)]
    for corners in (3, 4):  # their phases coincide at many modes
        places = torch.tensor([[0.25, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])[:corners]
        cases.append((f"one along the axes, {corners} corners", 0.25, (places, torch.arange(corners)[None])))
    axis = torch.arange(-8, 8).double() * (2 * torch.pi)
    frequencies = torch.cartesian_prod(axis, axis, axis)
    rows = []
    for name, size, (vertices, simplices) in cases:
        single = simplex_fourier_at(vertices, simplices, frequencies)
        double = simplex_fourier_at(vertices.double(), simplices, frequencies)
        plain = published(vertices, simplices, frequencies)
        mass = double.abs().max()
        row = {"simplices": name, "size": size, "float32 error / mass": float((single - double).abs().max() / mass)}
        wrong = int((~((plain - double).abs() < 1e-6 * mass)).sum())
        rows.append(row | {"modes the formula misses": f"{wrong} of {len(frequencies)}"})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triangles", type=int, default=10_000)
    parser.add_argument("--modes", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="a tenth of the triangles on 64^3 modes")
    parser.add_argument("--only", nargs="+", choices=["accuracy", "speed", "meshes"], help="sections to run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    triangles, modes = (1000, 64) if options.quick else (options.triangles, options.modes)
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}, one thread; load {here['load']}")
    sections = {
        "accuracy": ("float32, and the published formula in float64", accuracy),
        "speed": ("all modes of a grid", lambda: speed(triangles, modes)),
        "meshes": (
            "a closed surface: a quarter of the triangles, half as many modes an axis",
            lambda: solids_and_gradients(triangles // 4, modes // 2),
        ),
    }
    for name, (title, section) in sections.items():
        if options.only and name not in options.only:
            continue
        rows = section()
        print_table(title, rows)
        save("fields_fourier", name, rows)


if __name__ == "__main__":
    main()
