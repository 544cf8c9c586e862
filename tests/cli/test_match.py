"""geokit match on the command line."""

import json

import pytest

from geokit.cli.main import main
from geokit.io.meshes import save_mesh
from geokit.pipelines import match_pictures
from tests.spectral.blobs import blob, permuted


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(match_pictures, "_HEIGHT", 80)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    mesh = blob(2)
    names = []
    for seed in range(3):
        names.append(str(folder / f"shape_{seed}.ply"))
        save_mesh(names[-1], permuted(mesh, seed)[0])
    return names


def test_two_shapes(files, capsys, tmp_path):
    arguments = ["match", *files[:2], "--output", str(tmp_path / "match")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "100% of the surface keeps its outside outside" in out
    assert str(tmp_path / "match" / "match.npz") in out
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("geokit: ")
    assert err.count("\n") == 1
    assert "--overwrite" in err


def test_landmarks_and_json(files, capsys, tmp_path):
    (tmp_path / "pairs.txt").write_text("0 x\n")
    arguments = ["match", *files[:2], "--output", str(tmp_path / "o"), "--landmarks", str(tmp_path / "pairs.txt")]
    assert main(arguments) == 2
    assert "line 1" in capsys.readouterr().err
    old = [permuted(blob(2), seed)[1].argsort() for seed in (0, 1)]
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in zip(old[0][:6], old[1][:6])))
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["quality"]["cycle_error"] == 0
    assert len(report["settings"]["landmarks"]) == 6


def test_many_shapes(files, capsys, tmp_path):
    assert main(["match", *files, "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "3 pairs" in out
    assert "contact_sheet.png" in out
    assert main(["match", *files, "--output", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["pairs"]) == 3


def test_what_cannot_be(files, capsys, tmp_path):
    for arguments, words in (
        ([files[0]], "at least two"),
        ([*files, "--landmarks", "pairs.txt"], "one pair at a time"),
        ([files[0], "missing.ply"], "missing.ply"),
    ):
        assert main(["match", *arguments, "--output", str(tmp_path / "o")]) == 2
        assert words in capsys.readouterr().err
