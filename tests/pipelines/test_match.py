"""Matching files: what is written, and what is said of bad input."""

import json

import numpy as np
import pytest
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from geokit.pipelines import match_pictures
from geokit.pipelines.landmark_file import load_landmarks
from geokit.pipelines.match import match_files
from geokit.pipelines.match_folder import MatchFolder, load_match
from tests.spectral.blobs import blob, permuted

N = 162


@pytest.fixture(autouse=True, scope="module")
def small_pictures():
    before, match_pictures._HEIGHT = match_pictures._HEIGHT, 80
    yield
    match_pictures._HEIGHT = before


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Files of a mesh and of a renumbered copy, and the vertex of the first that each of the second is."""
    folder = tmp_path_factory.mktemp("shapes")
    mesh = blob(2)
    copy, old = permuted(mesh)
    save_mesh(folder / "first.off", mesh)
    save_mesh(folder / "second.ply", copy)
    return folder, old


@pytest.fixture(scope="module")
def done(shapes, tmp_path_factory):
    folder, _ = shapes
    output = tmp_path_factory.mktemp("done") / "match"
    return MatchFolder(output), match_files(folder / "first.off", folder / "second.ply", output)


def test_the_arrays_have_the_names_of_the_attributes(shapes, done):
    _, old = shapes
    arrays = load_match(done[0].arrays)
    assert torch.equal(arrays["p2p_21"], old)
    assert torch.equal(arrays["p2p_12"], torch.argsort(old))
    assert arrays["functional_map"].shape == arrays["functional_map_21"].shape[::-1]
    assert arrays["precise_faces_21"].shape == (N,)
    torch.testing.assert_close(arrays["precise_barycentrics_12"].sum(1), torch.ones(N))
    with np.load(done[0].arrays, allow_pickle=False) as plain:
        assert plain["p2p_21"].dtype == np.int64


def test_the_report_says_what_was_done(done):
    folder, report = done
    assert json.loads(folder.report.read_text()) == report
    assert report["quality"]["cycle_error"] == 0
    assert [shape["vertices"] for shape in report["shapes"]] == [N, N]
    assert report["seconds"]["all"] >= report["seconds"]["match"] > 0
    assert report["versions"]["torch"] == str(torch.__version__)
    assert report["settings"]["landmarks"] is None


def test_colours_and_picture(shapes, done):
    from PIL import Image

    _, old = shapes
    first, second = (load_mesh(done[1]["files"][f"shape_{i}"]) for i in (1, 2))
    torch.testing.assert_close(second.colors, first.colors[old].to(second.colors), atol=0.006, rtol=0)
    assert float((first.colors.amax(0) - first.colors.amin(0)).min()) > 0.3
    with Image.open(done[0].picture) as picture:
        pixels = np.asarray(picture)
    assert 0.1 < (pixels < 250).any(2).mean() < 0.9


def test_what_is_there_is_not_overwritten(shapes, done):
    folder, _ = shapes
    before = done[0].arrays.stat().st_mtime_ns
    with pytest.raises(InvalidInput, match="--overwrite"):
        match_files(folder / "first.off", folder / "second.ply", done[0].root)
    assert done[0].arrays.stat().st_mtime_ns == before
    with pytest.raises(InvalidInput, match="is a file"):
        match_files(folder / "first.off", folder / "second.ply", folder / "first.off")


def test_bad_files_are_named(shapes, tmp_path):
    folder, _ = shapes
    save_mesh(tmp_path / "flat.ply", Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])))
    (tmp_path / "nan.off").write_text("OFF\n3 1 0\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n")
    (tmp_path / "points.xyz").write_text("0 0 0\n1 0 0\n0 1 0\n")
    for name, words in (
        ("flat.ply", "flat.ply"),
        ("nan.off", "nan.off"),
        ("points.xyz", "no faces"),
        ("x.off", "x.off"),
    ):
        with pytest.raises((InvalidInput, UnreadableFile), match=words):
            match_files(folder / "first.off", tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_landmark_files(tmp_path):
    file = tmp_path / "pairs.txt"
    file.write_text("# nose, left foot\n12 7\n\n3,4  # comma\n5;6\n")
    assert load_landmarks(file).tolist() == [[12, 7], [3, 4], [5, 6]]
    for text, words in (
        ("1 2\n3\n", "line 2"),
        ("1 2 3\n", "line 1"),
        ("a b\n", "line 1"),
        ("1 -2\n", "numbered from 0"),
        ("# nothing\n", "holds no landmarks"),
        ("1.5 2\n", "line 1"),
    ):
        file.write_text(text)
        with pytest.raises(UnreadableFile, match=words):
            load_landmarks(file)


def test_landmarks_out_of_range_name_file_and_shape(shapes, tmp_path):
    folder, _ = shapes
    (tmp_path / "pairs.txt").write_text("0 0\n1 999\n")
    with pytest.raises(InvalidInput, match=r"pairs.txt: landmark 2 names vertex 999 of .*second.ply"):
        match_files(folder / "first.off", folder / "second.ply", tmp_path / "o", landmarks=tmp_path / "pairs.txt")


def test_a_damaged_match_is_refused(tmp_path):
    (tmp_path / "match.npz").write_bytes(b"PK nothing")
    with pytest.raises(UnreadableFile, match="damaged"):
        load_match(tmp_path / "match.npz")
