"""Files of maps and of known correspondences, and the errors of the one by the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Mesh
from geokit.pipelines.map_errors import map_errors
from geokit.pipelines.map_file import load_map
from geokit.pipelines.truth_file import load_truth
from geokit.spectral.evaluation import edge_geodesics, geodesic_error


def ellipsoid(rings: int = 2) -> Mesh:
    made = trimesh.creation.icosphere(rings)
    return Mesh(torch.tensor(made.vertices) * torch.tensor([1.0, 2.0, 0.7]), torch.tensor(made.faces.astype(np.int64)))


def written(path, text):
    path.write_text(text)
    return path


def test_a_list_of_vertices_is_read_from_every_kind_of_file(tmp_path):
    wanted = torch.tensor([2, 0, 1, 2])
    np.save(tmp_path / "map.npy", wanted.numpy())
    np.savez(tmp_path / "map.npz", p2p_21=wanted.numpy())
    written(tmp_path / "lion2cat", "# to the cat\n2\n0\n1\n\n2\n")
    for name in ("map.npy", "map.npz", "lion2cat"):
        found, exchanged = load_map(tmp_path / name, (3, 4), 1)
        assert not exchanged
        assert found.p2p_21.equal(wanted), name


def test_a_map_from_the_first_to_the_second_says_that_the_shapes_change_places(tmp_path):
    np.savez(tmp_path / "map.npz", p2p_12=[3, 0, 1])
    for path in (written(tmp_path / "map.txt", "3\n0\n1\n"), tmp_path / "map.npz"):
        found, exchanged = load_map(path, (3, 4), 1)
        assert exchanged
        assert found.p2p_21.tolist() == [3, 0, 1]
        assert load_truth([path], (3, 4)).tolist() == [[0, 3], [1, 0], [2, 1]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0\n1\n", "maps 2 vertices, but the shapes have 3 and 4"),
        ("1\n2\n3\n1\n", "sends vertex 2 to 3, but there are vertices 0 to 2; it seems to count from 1"),
        ("0\n-1\n2\n1\n", "sends vertex 1 to -1"),
        ("0\n1.5\n2\n1\n", "not whole"),
        ("0\nnan\n2\n1\n", "not whole"),
        ("\n", "wanted one vertex number for every vertex"),
    ],
)
def test_maps_of_other_shapes_are_refused_with_a_sentence(tmp_path, text, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        load_map(written(tmp_path / "map.txt", text), (3, 4), 1)


def test_damaged_files_are_told_of(tmp_path):
    np.savez(tmp_path / "whole.npz", p2p_21=np.zeros(4, np.int64))
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", weights=np.zeros(4))
    np.savez(
        tmp_path / "precise.npz",
        p2p_21=np.zeros(4, np.int64),
        precise_faces_21=np.full(4, 9),
        precise_barycentrics_21=np.full((4, 3), 1 / 3),
    )
    for name, sentence in (
        ("cut.npz", "damaged"),
        ("other.npz", "holds no map .it holds weights."),
        ("missing.npz", "does not exist"),
    ):
        with pytest.raises(UnreadableFile, match=sentence):
            load_map(tmp_path / name, (3, 4), 1)
    with pytest.raises(UnreadableFile, match="line 2: 'two'"):
        load_map(written(tmp_path / "words.txt", "0\ntwo\n"), (3, 4), 1)
    with pytest.raises(InvalidInput, match="does not fit the 1 faces"):
        load_map(tmp_path / "precise.npz", (3, 4), 1)


def test_the_truth_is_read_from_lists_of_a_data_set_pairs_and_words(tmp_path):
    first, second = written(tmp_path / "a.vts", "3\n1\n2\n"), written(tmp_path / "b.vts", "1\n4\n2\n")
    wanted = [[2, 0], [0, 3], [1, 1]]
    assert load_truth([first, second], (3, 4)).tolist() == wanted
    np.savez(tmp_path / "b.npz", vts=[0, 3, 1])
    assert load_truth([first, tmp_path / "b.npz"], (3, 4)).tolist() == wanted
    assert load_truth([written(tmp_path / "pairs.txt", "2 0\n0, 3\n1 1\n")], (3, 4)).tolist() == wanted
    assert load_truth([written(tmp_path / "map.txt", "2\n2\n1\n0\n")], (3, 4)).tolist()[0] == [2, 0]
    assert load_truth([Path("same")], (3, 3)).tolist() == [[0, 0], [1, 1], [2, 2]]
    for paths, counts, sentence in (
        ([Path("same")], (3, 4), "equal numbers cannot correspond"),
        ([first, second], (3, 3), "b.vts names vertices from 0 to 3 of shape 2"),
        ([first, written(tmp_path / "c.vts", "1\n")], (3, 4), "a.vts has 3 entries and .*c.vts has 1"),
        ([first, second, first], (3, 4), "got 3"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            load_truth(paths, counts)


def test_errors_are_those_of_the_spectral_evaluation():
    mesh = ellipsoid()
    generator = torch.Generator().manual_seed(3)
    count = len(mesh.vertices)
    # Most go to a neighbour, some far away: both ways of measuring are used.
    p2p = torch.arange(count)
    p2p[::7] = torch.randint(count, (len(p2p[::7]),), generator=generator)
    known = torch.stack([torch.randperm(count, generator=generator), torch.arange(count)], 1)
    known[::2, 0] = known[::2, 1]
    area = float(mesh.face_areas().sum())
    wanted = geodesic_error(p2p, known[:, 1], known[:, 0], edge_geodesics(mesh), area)
    found = map_errors(p2p, mesh, known)
    assert torch.allclose(found.errors.float(), wanted.errors, atol=1e-6)
    assert found.mean == pytest.approx(wanted.mean)
    limits, shares = found.curve()
    assert shares[-1] >= 0.98
    assert float(shares[50]) == pytest.approx(float((100 * wanted.errors <= limits[50]).double().mean()))
    at = found.at_vertices(mesh.vertices)
    assert torch.equal(at, found.errors)


def test_of_too_many_places_every_so_many_are_measured(monkeypatch):
    mesh = ellipsoid()
    count = len(mesh.vertices)
    known = torch.arange(count)[:, None].expand(-1, 2)
    monkeypatch.setattr("geokit.pipelines.map_errors.MOST_WORK", count * count // 3)
    found = map_errors(torch.roll(torch.arange(count), 1), mesh, known)
    assert count / 4 < len(found.errors) <= count / 3 + 1
    assert f"{len(found.errors)} of {count} places" in found.sentence
    assert len(found.at_vertices(mesh.vertices)) == count
