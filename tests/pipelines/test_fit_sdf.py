"""A mesh file to a field file and back to a mesh file."""

from pathlib import Path

import pytest
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields import fit_image, load_field, save_field
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import compare_surfaces
from geokit.io.meshes import load_mesh, save_mesh
from geokit.pipelines.fit_sdf import fit_sdf_file
from geokit.pipelines.mesh_field import mesh_field


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cube of side 2, as a file."""
    corners = torch.cartesian_prod(*(torch.tensor([-1.0, 1.0]),) * 3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = torch.tensor([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    path = tmp_path_factory.mktemp("box") / "box.ply"
    save_mesh(path, Mesh(corners, faces))
    assert load_mesh(path).volume() == pytest.approx(8)
    return path


def test_there_and_back(box: Path, tmp_path: Path) -> None:
    fitted = fit_sdf_file(box, tmp_path / "box.field", parameters=12_000)
    assert fitted.bytes == fitted.output.stat().st_size
    assert 0.9 * 12_000 < fitted.field.parameter_count <= 12_000
    assert fitted.error < 2e-3 * fitted.extent
    made = mesh_field(fitted.output, tmp_path / "back.ply", resolution=64)
    assert len(made) == len(load_mesh(tmp_path / "back.ply"))
    assert made.volume() == pytest.approx(8, rel=0.01)
    assert compare_surfaces(made, load_mesh(box), 5000).chamfer < 5e-3


def test_a_size_is_kept(box: Path, tmp_path: Path) -> None:
    fitted = fit_sdf_file(box, tmp_path / "box.field", size=10_000)
    assert 7_000 < fitted.bytes <= 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["box.field"]
    with pytest.raises(InvalidInput, match="allow more"):
        fit_sdf_file(box, tmp_path / "small.field", size=200)


def test_what_cannot_be(box: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.field"
    taken.write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        fit_sdf_file(box, taken)
    with pytest.raises(InvalidInput, match="must end in"):
        fit_sdf_file(box, tmp_path / "box.ply")
    with pytest.raises(InvalidInput, match="not both"):
        fit_sdf_file(box, tmp_path / "a.field", parameters=9000, size=9000)
    with pytest.raises(UnreadableFile):
        fit_sdf_file(tmp_path / "none.ply", tmp_path / "a.field")
    with pytest.raises(UnreadableFile):
        mesh_field(taken, tmp_path / "a.ply")
    save_field(tmp_path / "image.field", fit_image(torch.rand(8, 8, 3)))
    with pytest.raises(InvalidInput, match="not the field of a shape"):
        mesh_field(tmp_path / "image.field", tmp_path / "a.ply")
    fit_sdf_file(box, tmp_path / "box.field", parameters=3000)
    for resolution in (1, 10**6):
        with pytest.raises(InvalidInput, match="resolution"):
            mesh_field(tmp_path / "box.field", tmp_path / "a.ply", resolution)
    with pytest.raises(InvalidInput, match="formats are"):
        mesh_field(tmp_path / "box.field", tmp_path / "a.txt")
    mesh_field(tmp_path / "box.field", tmp_path / "a.stl", 16)
    with pytest.raises(InvalidInput, match="exists already"):
        mesh_field(tmp_path / "box.field", tmp_path / "a.stl", 16)
    assert load_field(tmp_path / "box.field").parameter_count <= 3000
