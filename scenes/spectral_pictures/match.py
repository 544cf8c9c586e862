"""The picture of geokit match in docs/spectral.md: colours of a man carried to a woman.

    python scenes/spectral_pictures/match.py human_man.obj human_woman.obj --output docs/images

The shapes are "man" and "woman" of Oded Stein's meshes (CC BY 4.0; from SMPL, Max Planck Society), which are not part
of this repository. Their faces correspond one by one, which is not used: the vertices of the second are renumbered.
"""

import argparse
from pathlib import Path

import torch

from geokit.geometry.mesh import Mesh
from geokit.io import save_picture
from geokit.io.meshes import load_mesh
from geokit.pipelines.match_pictures import colored, match_picture
from geokit.spectral.matching import match


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder of the picture")
    options = parser.parse_args()
    first, second = load_mesh(options.first), renumbered(load_mesh(options.second))
    found = match(first, second, progress=print)
    print(found, found.quality)
    save_picture(options.output / "spectral_match.jpg", match_picture(found, colored(found)))


def renumbered(mesh: Mesh) -> Mesh:
    """The mesh with its vertices in another order."""
    old = torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(0))
    return Mesh(mesh.vertices[old], torch.argsort(old)[mesh.faces])


if __name__ == "__main__":
    main()
