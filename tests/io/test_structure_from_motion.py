import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from geokit.errors import GeokitError, MissingDependency, UnreadableFile
from geokit.io import load_capture, structure_from_motion
from tests.io.builders import write_colmap, write_photograph

pytest.importorskip("pycolmap")


@pytest.mark.slow
@pytest.mark.data
def test_nine_photographs_of_the_fox(tmp_path: Path, data_folder: Path, monkeypatch) -> None:
    photographs, work = tmp_path / "photographs", tmp_path / "work"
    photographs.mkdir()
    source = data_folder / "splatting/fox_colmap"
    for name in sorted(p.name for p in (source / "images").iterdir())[:9]:
        with Image.open(source / "images" / name) as photograph:
            photograph.reduce(2).save(photographs / name, quality=95)
    told: list[str] = []
    capture = load_capture(photographs, workspace=work, progress=told.append)
    assert capture.kind == "photographs"
    assert len(capture) == 9
    assert len({view.lens for view in capture.views}) == 1  # they share one camera
    assert len(capture.points) > 300
    assert capture.photograph(0).shape[2] == 3
    assert {line.split()[0] for line in told} >= {"finding", "placing", "placed"}
    assert {p.suffix for p in photographs.iterdir()} == {".jpg"}  # nothing was written beside the photographs
    known = load_capture(source).cameras
    truth = known[[known.names.index(f"images/{name}") for name in capture.cameras.names]]
    # up to a similarity: the angles between viewing directions and the ratios of distances agree
    angles = (capture.cameras.forwards @ capture.cameras.forwards.T).clamp(-1, 1).acos()
    true_angles = (truth.forwards @ truth.forwards.T).clamp(-1, 1).acos()
    assert float((angles - true_angles).abs().max()) < 0.03
    distances, true_distances = (
        torch.cdist(capture.cameras.centers, capture.cameras.centers),
        torch.cdist(truth.centers, truth.centers),
    )
    ratio = (distances / true_distances)[true_distances > 0.2]
    assert float(ratio.max() / ratio.min()) < 1.15

    def never(*_: object) -> None:
        raise AssertionError("the workspace should have been used again")

    monkeypatch.setattr(structure_from_motion, "_run", never)
    again = load_capture(photographs, workspace=work)
    assert torch.equal(again.cameras.world_to_camera, capture.cameras.world_to_camera)


@pytest.mark.slow
def test_photographs_of_nothing_say_what_to_do(tmp_path: Path) -> None:
    for i in range(3):
        write_photograph(tmp_path / f"photographs/{i}.png", 64, 48, seed=i)
    with pytest.raises(UnreadableFile, match=r"only 0 of the 3 photographs.*overlap"):
        load_capture(tmp_path / "photographs", workspace=tmp_path / "work")


def as_if_placed(tmp_path: Path, monkeypatch, placed: int, total: int) -> Path:
    """A folder of photographs whose structure-from-motion has placed some of them."""
    folder, work = tmp_path / "photographs", tmp_path / "work"
    write_colmap(tmp_path / "model", placed)
    for i in range(total):
        write_photograph(folder / f"{i:03d}.png", seed=i)

    def run(_folder: Path, _lenses: list[list[str]], work: Path, _progress: object) -> None:
        shutil.copytree(tmp_path / "model" / "sparse", work / "sparse")

    monkeypatch.setattr(structure_from_motion, "_run", run)
    return work


def test_too_few_photographs_placed(tmp_path: Path, monkeypatch) -> None:
    work = as_if_placed(tmp_path, monkeypatch, 3, 8)
    with pytest.raises(UnreadableFile, match="only 3 of the 8 photographs"):
        load_capture(tmp_path / "photographs", workspace=work)


def test_most_photographs_placed(tmp_path: Path, monkeypatch) -> None:
    work = as_if_placed(tmp_path, monkeypatch, 5, 8)
    capture = load_capture(tmp_path / "photographs", workspace=work)
    assert len(capture) == 5
    assert capture.messages == ["3 of 8 photographs could not be placed"]
    assert capture.cameras.names[0] == "000.png"


def test_changed_photographs_are_placed_anew(tmp_path: Path, monkeypatch) -> None:
    work = as_if_placed(tmp_path, monkeypatch, 5, 5)
    load_capture(tmp_path / "photographs", workspace=work)
    finished = json.loads((work / "finished.json").read_text())
    write_photograph(tmp_path / "photographs/new.png")
    shutil.rmtree(work / "sparse")
    load_capture(tmp_path / "photographs", workspace=work)
    assert json.loads((work / "finished.json").read_text()) != finished


def test_the_default_workspace_is_in_the_users_cache(tmp_path: Path, monkeypatch) -> None:
    as_if_placed(tmp_path, monkeypatch, 5, 5)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_capture(tmp_path / "photographs")
    assert len(list((tmp_path / "cache/geokit/structure_from_motion").iterdir())) == 1
    assert len(list((tmp_path / "photographs").iterdir())) == 5


def test_one_photograph_a_broken_one_and_no_pycolmap(tmp_path: Path, monkeypatch) -> None:
    write_photograph(tmp_path / "a/0.png")
    with pytest.raises(UnreadableFile, match="holds 1 photograph; a reconstruction needs at least 2"):
        load_capture(tmp_path / "a")
    (tmp_path / "a/1.png").write_text("no picture")
    with pytest.raises(UnreadableFile, match=r"1\.png is not a picture"):
        load_capture(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(MissingDependency, match="pip install"):
        load_capture(tmp_path / "a")


def test_a_worker_that_dies_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    for i in range(2):
        write_photograph(tmp_path / f"a/{i}.png", seed=i)
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(structure_from_motion, "_WORKER", crash)
    with pytest.raises(GeokitError, match=r"ended with an error \(exit -11\); the log is .*log\.txt"):
        load_capture(tmp_path / "a", workspace=tmp_path / "work")
    assert not (tmp_path / "work/finished.json").exists()
