"""Differential equations by Gaussians beside a plain physics-informed network, and shapes that move, against what is
known in closed form. Also the picture docs/images/fields_equations.png."""

import itertools
import math
import time
from typing import Any

import numpy as np
import torch
from common import ROOT, print_table
from log_plot import FAINT, INK, PAPER
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.fields import Problem, Solution, evolve, solve_pde
from geokit.fields.physics_rows import cell_grid, collocate
from geokit.fields.problems import burgers, helmholtz, klein_gordon, poisson_peak
from geokit.fields.spline_grid import spline_coefficients, spline_values
from geokit.pipelines.colormap import inferno, viridis
from geokit.pipelines.histogram import draw_text

PICTURE = ROOT / "docs" / "images" / "fields_equations.png"
NETWORK_SECONDS = 12.0  # CPU, of each network: many times what the Gaussians take
PROBLEMS: list[tuple[Problem, dict[str, Any]]] = [
    (poisson_peak(), {"gaussians": 600, "refinements": 8}),
    (helmholtz(), {}),
    (helmholtz(), {"gaussians": 1024}),
    (klein_gordon(), {}),
    (burgers(0.1 / math.pi), {"gaussians": 900, "refinements": 6, "overlap": 2.0}),
]


def section() -> dict[str, Any]:
    equations, solutions, networks = [], [], {}
    for problem, options in PROBLEMS:
        solution = solve_pde(problem, **options)
        solutions.append(solution)
        row = {"equation": problem.name, "Gaussians": len(solution.field.features)}
        row |= {"numbers": solution.field.parameter_count}
        row |= {"error": solution.relative_error, "CPU s": solution.seconds}
        if problem.name not in networks:
            networks[problem.name] = network(problem, NETWORK_SECONDS)
        equations.append(row | networks[problem.name])
    print_table("equations: relative L2 errors of Gaussians and of a plain PINN", equations)
    trained = training()
    print_table("equations: shapes trained by L-BFGS", trained)
    spheres = curvature()
    print_table("evolution: spheres by their curvature, error of the radius", spheres)
    flows = vortices()
    print_table("evolution: a disc in a vortex (LeVeque, T = 8)", flows)
    draw(PROBLEMS[0][0], solutions[0], PROBLEMS[4][0], solutions[4]).save(PICTURE)
    return {"equations": equations, "training": trained, "curvature": spheres, "vortex": flows}


def network(problem: Problem, seconds: float) -> dict[str, Any]:
    """A plain physics-informed network: 4 layers of 50 tanh, Adam, 2,500 + 400 points, weight 100 of
    the conditions, as in the usual comparisons; float32."""
    torch.manual_seed(0)
    box = problem.box().float()
    sizes = [2, 50, 50, 50, 50, 1]
    layers: list[torch.nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.Tanh()]
        torch.nn.init.xavier_normal_(layers[-2].weight)
        torch.nn.init.zeros_(layers[-2].bias)
    net = torch.nn.Sequential(*layers[:-1])
    parts = collocate(problem, cell_grid(problem.box(), [50, 50]), 100)
    places = [part.points.float().requires_grad_() for part in parts]
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        loss = torch.zeros(())
        for number, (part, x) in enumerate(zip(parts, places)):
            u = net(2 * (x - box[0]) / (box[1] - box[0]) - 1)[:, 0]
            slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
            hessian = torch.zeros(len(x), 2, 2)
            if number == 0:
                hessian = torch.stack(
                    [torch.autograd.grad(slope[:, k].sum(), x, create_graph=True)[0] for k in (0, 1)], 1
                )
            wrong = part.equation(x.double(), u.double(), slope.double(), hessian.double())
            loss = loss + (1 if number == 0 else 100) * wrong.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    x = cell_grid(problem.box(), [141, 141], ends=True)
    with torch.no_grad():
        found = net(2 * (x.float() - box[0]) / (box[1] - box[0]) - 1)[:, 0].double()
    exact = problem.exact(x)
    numbers = sum(p.numel() for p in net.parameters())
    error = float((found - exact).norm() / exact.norm())
    return {"PINN numbers": numbers, "PINN error": error, "PINN CPU s": seconds, "PINN steps": steps}


def training() -> list[dict[str, Any]]:
    """What moving the Gaussians brings, where there are few."""
    rows = []
    for count in (144, 256):
        solution = solve_pde(helmholtz(), gaussians=count, steps=20)
        first, last = solution.history[0], solution.history[-1]
        rows.append({"Gaussians": count, "error on the grid": first.relative_error, "CPU s": first.seconds})
        rows[-1] |= {"error trained": last.relative_error, "trained, CPU s": last.seconds}
    return rows


def curvature() -> list[dict[str, Any]]:
    """Largest and mean distance of the shape to the sphere that it is, at the end, where its area is four ninths."""
    rows = []
    for d, resolution in ((2, 64), (2, 128), (3, 32), (3, 64)):
        last = 0.1 / (d - 1)
        began = time.process_time()
        field = evolve(lambda x: x.norm(dim=1) - 0.6, "mean curvature", last, [[-1.0] * d, [1.0] * d], resolution)
        seconds = time.process_time() - began
        rays = torch.randn(1000, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = 0.4 * rays / rays.norm(dim=1, keepdim=True)
        with torch.no_grad():
            slope = field.gradient(torch.cat([x, torch.full((1000, 1), last, dtype=torch.float64)], 1))[:, 0, :d]
            away = field.at(x, last) / slope.norm(dim=1)
        rows.append({"dimension": d, "samples a side": resolution, "radius": 0.4})
        rows[-1] |= {"mean error": float(away.mean().abs()), "largest": float(away.abs().max()), "CPU s": seconds}
    return rows


def disc(x: Tensor) -> Tensor:
    return (x - torch.tensor([0.5, 0.75], dtype=x.dtype)).norm(dim=1) - 0.15


def vortex(x: Tensor, t: Tensor) -> Tensor:
    a, b = (math.pi * x).T
    strength = (math.pi * t / 8).cos()
    return torch.stack([-strength * a.sin() ** 2 * (2 * b).sin(), strength * b.sin() ** 2 * (2 * a).sin()], 1)


def vortices() -> list[dict[str, Any]]:
    """Area at the largest stretch and overlap (IoU) with the first shape after the return."""
    axis = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    x = torch.cartesian_prod(axis, axis)
    began = time.process_time()
    field = evolve(disc, vortex, 8.0, [[0.0, 0.0], [1.0, 1.0]])
    with torch.no_grad():
        ends = [field.at(x, t) for t in (4.0, 8.0)]
    rows = [judged(f"characteristics, {field.steps} steps", x, ends, time.process_time() - began)]
    for n in (128,):
        began = time.process_time()
        rows.append(judged(f"semi-Lagrangian, {n} x {n} cubic splines", x, marched(x, n), time.process_time() - began))
    return rows


def judged(name: str, x: Tensor, ends: list[Tensor], seconds: float) -> dict[str, Any]:
    start = disc(x) < 0
    after = ends[1] < 0
    area = float((ends[0] < 0).double().mean() / start.double().mean()) - 1
    overlap = float((start & after).sum() / (start | after).sum())
    near = disc(x).abs() < 0.02
    error = float((ends[1] - disc(x))[near].abs().max())
    return {
        "method": name,
        "area at T/2": f"{100 * area:+.2f} %",
        "IoU at T": f"{overlap:.4f}",
        "largest error": error,
        "CPU s": seconds,
    }


def marched(x: Tensor, n: int) -> list[Tensor]:
    """The usual way: step back by Runge and Kutta, look up the last samples, again and again; 2 cells a step."""
    axis = torch.linspace(0, 1, n, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    f, steps, ends = disc(grid).view(n, n), 4 * n, []
    h = 8.0 / steps
    for step in range(steps):
        now = torch.full((len(grid),), (step + 1) * h, dtype=torch.float64)
        middle = grid - h / 2 * vortex(grid, now)
        back = grid - h * vortex(middle, now - h / 2)
        f = spline_values(spline_coefficients(f)[None], back * (n - 1))[0].view(n, n)
        if step + 1 in (steps // 2, steps):
            ends.append(spline_values(spline_coefficients(f)[None], x * (n - 1))[0])
    return ends


# ------------------------------------------------------------------------------------------------------------- picture

SIDE, GAP, TOP, FOOT = 340, 26, 74, 34  # pixels


def draw(*pairs: Problem | Solution) -> Image.Image:
    """Of each problem a row: the solution, the error by its logarithm, and where the Gaussians are."""
    rows = list(zip(pairs[::2], pairs[1::2]))
    canvas = Image.new("RGB", (3 * SIDE + 4 * GAP, len(rows) * (SIDE + TOP + FOOT)), PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, (problem, solution) in enumerate(rows):
        top = number * (SIDE + TOP + FOOT) + TOP
        box = problem.box()
        x = cell_grid(box, [SIDE, SIDE])
        with torch.no_grad():
            found = solution.field(x)[:, 0]
        wrong = (found - problem.exact(x)).abs() / problem.exact(x).abs().max()
        low, high = float(found.min()), float(found.max())
        pictures = [viridis((found - low) / (high - low)), inferno((wrong.clamp(min=1e-9).log10() + 8) / 6)]
        for column, colors in enumerate(pictures):
            pixels = (255 * colors).round().byte().view(SIDE, SIDE, 3).transpose(0, 1).flip(0)
            canvas.paste(Image.fromarray(np.ascontiguousarray(pixels.numpy())), (GAP + column * (SIDE + GAP), top))
        left = 3 * GAP + 2 * SIDE
        canvas.paste(gaussians(solution, box), (left, top))
        pen.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=FAINT)
        words = f"{problem.name}: relative error {solution.relative_error:.1e}, {solution.seconds:.1f} CPU s"
        draw_text(pen, (GAP, top - 50), words, 20, INK, "lm")
        titles = (
            "solution",
            "error, 1e-8 (black) to 1e-2",
            f"{len(solution.field.features)} Gaussians, a quarter of their widths",
        )
        for column, title in enumerate(titles):
            draw_text(pen, (GAP + column * (SIDE + GAP), top - 18), title, 15, FAINT, "lm")
    return canvas


def gaussians(solution: Solution, box: Tensor) -> Image.Image:
    """Ellipses of a quarter of a standard deviation."""
    large = Image.new("RGB", (2 * SIDE, 2 * SIDE), PAPER)
    pen = ImageDraw.Draw(large)
    scale = 2 * SIDE / (box[1] - box[0])
    for row in solution.field.shapes.detach():
        centre = ((row[:2] - box[0]) * scale).tolist()
        x, y = centre[0], 2 * SIDE - centre[1]
        a, b = (0.25 / row[[2, 4]] * scale).tolist()
        pen.ellipse((x - a, y - b, x + a, y + b), outline=(31, 119, 180), width=2)
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
