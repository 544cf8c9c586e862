"""The picture of the learned prior: bodies of its corpus, and |C| of the corpus, the Gaussian and the diffusion model.

    python scenes/spectral_pictures/prior.py --corpus out/spectral_prior/corpus.safetensors --output docs/images

The corpus comes from scenes/spectral_prior/make_corpus.py. The bodies are made from nothing, with the same generator.
"""

import argparse
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "spectral_prior"))
from corpus import deformed, families

from geokit.geometry.framing import frame_camera
from geokit.geometry.mesh import Mesh
from geokit.geometry.render_mesh import render_mesh
from geokit.io.checkpoints import load_checkpoint
from geokit.pipelines.colormap import viridis
from geokit.spectral.prior import load_prior

SIDE, GAP = 148, 6
INK = (60, 64, 70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("out/spectral_prior/corpus.safetensors"))
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder of the picture")
    options = parser.parse_args()
    rng = torch.Generator().manual_seed(5)
    maps = load_checkpoint(options.corpus)[0]["maps"]
    prior = load_prior()
    count = 6
    rows = [
        ("bodies of the corpus", bodies(count, rng)),
        ("|C| of the corpus", [matrix(maps[i]) for i in torch.randperm(len(maps), generator=rng)[:count]]),
        ("Gaussian", [matrix(c) for c in prior.gaussian.sample(count, rng)]),
        ("diffusion", [matrix(c) for c in prior.diffusion.sample(count, generator=rng)]),
    ]
    width = count * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(rows) * (SIDE + GAP + 16)), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for number, (name, panels) in enumerate(rows):
        top = number * (SIDE + GAP + 16)
        pen.text((GAP, top + 2), name, fill=INK)
        for place, panel in enumerate(panels):
            sheet.paste(panel, (GAP + place * (SIDE + GAP), top + 16))
    sheet.save(options.output / "spectral_prior.jpg", quality=88)


def bodies(count: int, rng: torch.Generator) -> list[Image.Image]:
    """Two poses of each of the first bodies."""
    panels = []
    for family in families(count // 2, None, seed=3):
        for _ in range(2):
            mesh = Mesh(deformed(family, rng).float(), family.mesh.faces)
            camera = frame_camera(mesh, (0.7, 0.35, 1.0), width=SIDE, height=SIDE, margin=0.04)
            panels.append(picture(render_mesh(mesh, camera, supersample=3).image.reshape(SIDE, SIDE, -1)[..., :3]))
    return panels


def matrix(functional_map: Tensor) -> Image.Image:
    """|C| from 0 to 1."""
    small = picture(viridis(functional_map.abs().clamp(0, 1)))
    return small.resize((SIDE, SIDE), Image.Resampling.NEAREST)


def picture(colors: Tensor) -> Image.Image:
    return Image.fromarray((colors.clamp(0, 1) * 255).round().byte().numpy())


if __name__ == "__main__":
    main()
