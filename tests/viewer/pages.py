"""Shapes for pages, and pages opened as a colleague opens them: from the disk, without a network."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from geokit.geometry import Cameras, Mesh, Splats
from tests.viewer.browser import PATIENCE

WIDTH, HEIGHT = 320, 240


@contextmanager
def opened_page(browser: Any, path: Path, width: int = WIDTH, height: int = HEIGHT, **options: Any) -> Iterator[Any]:
    """The page of a file, drawn once; fails where it asks for anything beyond itself or reports an error."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.set_default_timeout(PATIENCE * 1000)
    wrong: list[str] = []

    def only_itself(route: Any) -> None:
        if route.request.url == path.as_uri() or route.request.url.startswith("blob:"):
            route.continue_()
        else:
            wrong.append(f"it asks for {route.request.url}")
            route.abort()

    page.route("**/*", only_itself)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    try:
        page.goto(path.as_uri())
        page.evaluate("geokit.ready.then(() => 0)")
        yield page
    finally:
        page.close()
    # Said by Chromium about reading a picture back, not about the page.
    assert not [text for text in wrong if "GPU stall due to ReadPixels" not in text], wrong


def drawn(page: Any, camera: Cameras | None = None) -> np.ndarray:
    """(H, W, 3) in [0, 1]: what the page draws once it rests, through a camera of the world."""
    if camera is not None:
        told = {
            "pose": camera.world_to_camera[0].flatten().tolist(),
            "focal": float(camera.K[0, 1, 1]),
            "size": list(camera.sizes[0]),
        }
        page.evaluate("async (told) => (await geokit.ready).setCamera(told)", told)
    address = page.evaluate("async () => (await geokit.ready).picture()")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGB"), np.float64) / 255


def some_splats(
    count: int, degree: int = 0, waves: int = 0, colored: bool = False, seed: int = 0, size: float = -2.6
) -> Splats:
    """In a ball of about radius one, away from the origin of the world."""
    g = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 3, generator=g) * 0.5 + torch.tensor([10.0, -20.0, 5.0])
    return Splats(
        means=means,
        quats=torch.randn(count, 4, generator=g),
        log_scales=torch.randn(count, 3, generator=g) * 0.5 + size,
        logit_opacities=torch.randn(count, generator=g) + 1,
        sh_coeffs=torch.randn(count, (degree + 1) ** 2, 3, generator=g) * (0.6 if degree == 0 else 0.35),
        wave_frequencies=torch.randn(count, waves, 3, generator=g) * 8,
        wave_weights=torch.randn(count, waves, 2, *((3,) if colored else ()), generator=g) * 0.4,
    )


def knot(textured: bool = False) -> Mesh:
    """A torus with colours that run around it; or with a checkered texture."""
    u, v = torch.meshgrid(torch.arange(48) / 48, torch.arange(24) / 24, indexing="ij")
    around, across = 2 * torch.pi * u.double().flatten(), 2 * torch.pi * v.double().flatten()
    ring = 1 + 0.4 * across.cos()
    vertices = torch.stack([ring * around.cos(), ring * around.sin(), 0.4 * across.sin()], 1)
    i, j = torch.meshgrid(torch.arange(48), torch.arange(24), indexing="ij")
    corners = torch.stack([i, i + 1, i + 1, i, i + 1, i], -1).reshape(-1, 3)
    sides = torch.stack([j, j, j + 1, j, j + 1, j + 1], -1).reshape(-1, 3)
    faces = (corners % 48) * 24 + sides % 24
    if not textured:
        colors = torch.stack([0.5 + 0.4 * around.cos(), 0.5 + 0.4 * across.sin(), 0.5 + 0.4 * around.sin()], 1)
        return Mesh(vertices, faces, colors=colors)
    uv = torch.stack([corners / 48, sides / 24], -1).double()
    checks = (torch.arange(32)[:, None] // 4 + torch.arange(64) // 4) % 2
    texture = torch.stack([0.2 + 0.7 * checks, 0.9 - 0.5 * checks, torch.full((32, 64), 0.4)], -1).double()
    return Mesh(vertices, faces, uv=uv, texture=texture)
