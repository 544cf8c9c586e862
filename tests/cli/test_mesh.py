"""geokit mesh on the command line."""

import pytest
import torch
from torch.nn.functional import normalize

from geokit.cli.main import main
from geokit.errors import MissingDependency
from geokit.geometry import PointCloud
from geokit.io.meshes import load_mesh
from geokit.io.point_clouds import save_points


def test_a_surface_and_what_is_said_of_it(capsys, tmp_path):
    from geokit.backend.optional import open3d

    try:
        open3d("these tests")
    except MissingDependency as error:
        pytest.skip(str(error))
    points = normalize(torch.randn(600, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    save_points(tmp_path / "ball.xyz", PointCloud(points))
    arguments = ["mesh", str(tmp_path / "ball.xyz"), "--output", str(tmp_path / "ball.ply"), "--depth", "5"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "watertight" in out
    assert "screened Poisson through 600 points" in out
    assert len(load_mesh(tmp_path / "ball.ply")) > 100
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("geokit: ")
    assert err.count("\n") == 1
    assert "--overwrite" in err
