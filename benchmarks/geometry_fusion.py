"""The mesh of a reconstruction against the depth of its own splats, on the run's test views.

    geokit reconstruct scenes/still_life --output out/still_life
    geokit mesh out/still_life --output still_life.ply
    python benchmarks/geometry_fusion.py out/still_life still_life.ply

Depth is compared at pixels where both have one. The extent is the diagonal of the mesh, and beside it that of the
cameras. Bar: a median error below 1 % of the extent.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from common import print_table

from geokit.geometry.rasterize import rasterize
from geokit.io import load_mesh, load_splats
from geokit.pipelines.camera_files import named_cameras
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import load_settings
from geokit.pipelines.surface import splat_depth


def rows_of(run: Path, mesh_file: Path) -> list[dict[str, Any]]:
    folder = RunFolder(run)
    settings, splats, mesh = load_settings(folder.config), load_splats(folder.splats), load_mesh(mesh_file)
    rows = []
    for which in ("test", "train"):
        cameras = named_cameras(which, settings)
        errors, with_depth = [], 0
        for i in range(len(cameras)):
            expected, _ = splat_depth(splats, cameras[i], settings.train.antialiased)
            found = rasterize(mesh, cameras[i])
            both = found.seen & (expected > 0)
            errors.append((found.depth - expected).abs()[both])
            with_depth += int((expected > 0).sum())
        error = torch.cat(errors)
        rows.append(
            {
                "views": f"{len(cameras)} {which}",
                "median error": float(error.median()),
                "% of the mesh's extent": 100 * float(error.median()) / mesh.extent,
                "% of the cameras' extent": 100 * float(error.median()) / cameras.extent,
                "% of pixels with both": 100 * len(error) / with_depth,
            }
        )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a reconstruction")
    parser.add_argument("mesh", type=Path, help="what geokit mesh made of it")
    options = parser.parse_args()
    print_table("depth of the mesh against depth of the splats", rows_of(options.run, options.mesh))
