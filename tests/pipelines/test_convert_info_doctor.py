"""The small verbs."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from geokit.backend import gpu
from geokit.errors import InvalidInput, OutOfMemory, UnreadableFile
from geokit.geometry import PointCloud
from geokit.io import load_splats, save_splats
from geokit.io.ply import read_vertices, write_vertices
from geokit.io.point_files import save_point_ply
from geokit.pipelines import doctor
from geokit.pipelines.convert import convert
from geokit.pipelines.info import describe
from tests.io.builders import random_splats, write_blender, write_colmap, write_photograph


@pytest.mark.parametrize("ending", [".ply", ".splat", ".spz"])
def test_there_and_back(tmp_path, ending):
    splats = random_splats(20, degree=2)
    save_splats(tmp_path / "a.ply", splats)
    converted, lost = convert(tmp_path / "a.ply", tmp_path / f"b{ending}")
    assert len(converted) == 20
    assert bool(lost) == (ending != ".ply")
    back, _ = convert(tmp_path / f"b{ending}", tmp_path / "c.ply")
    assert (load_splats(tmp_path / "c.ply").means - splats.means).abs().max() < 1e-3
    assert len(back) == 20
    if ending == ".ply":
        assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "c.ply").read_bytes()


def test_what_is_lost_is_said(tmp_path):
    save_splats(tmp_path / "a.ply", random_splats(5, degree=3, waves=2))
    _, lost = convert(tmp_path / "a.ply", tmp_path / "b.splat")
    assert "Gabor waves" in lost[0]
    assert "spherical harmonics" in lost[0]
    assert "rounds colours" in lost[1]


def test_convert_refuses(tmp_path, run):
    save_splats(tmp_path / "a.ply", random_splats(5))
    before = (tmp_path / "a.ply").read_bytes()
    with pytest.raises(InvalidInput, match="exists already"):
        convert(run, tmp_path / "a.ply")
    assert (tmp_path / "a.ply").read_bytes() == before
    with pytest.raises(InvalidInput, match="splats, which have no faces"):
        convert(tmp_path / "a.ply", tmp_path / "b.obj")
    with pytest.raises(InvalidInput, match="does not end like a file of a shape"):
        convert(tmp_path / "a.ply", tmp_path / "b")
    save_point_ply(tmp_path / "points.ply", PointCloud(torch.rand(3, 3)))
    with pytest.raises(InvalidInput, match="is a format of splats"):
        convert(tmp_path / "points.ply", tmp_path / "b.spz")
    with pytest.raises(UnreadableFile, match="does not exist"):
        convert(tmp_path / "nothing.ply", tmp_path / "b.spz")
    convert(run, tmp_path / "a.ply", overwrite=True)
    assert (tmp_path / "a.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_info_of_splats_points_and_checkpoints(tmp_path, run):
    save_splats(tmp_path / "a.ply", random_splats(50, degree=1, waves=3))
    found = describe(tmp_path / "a.ply")
    assert (found["kind"], found["splats"], found["sh_degree"], found["waves"]) == ("splats", 50, 1, 3)
    assert sum(found["opacities"]) == 50
    assert found["bytes"] == (tmp_path / "a.ply").stat().st_size
    low, high = found["bounds"]
    assert all(a < b for a, b in zip(low, high))
    save_splats(tmp_path / "none.ply", random_splats(0))
    assert describe(tmp_path / "none.ply")["bounds"] is None
    save_point_ply(tmp_path / "points.ply", PointCloud(torch.rand(3, 3)))
    assert describe(tmp_path / "points.ply")["kind"] == "points"
    checkpoint = describe(run / "checkpoint.safetensors")
    assert checkpoint["step"] == 24
    assert checkpoint["tensors"]["means"][1] == 3


def test_splats_that_are_not_finite_are_left_out_and_counted(tmp_path):
    save_splats(tmp_path / "good.ply", random_splats(5))
    columns = read_vertices(tmp_path / "good.ply", (), "splats")
    columns["opacity"][3] = np.nan
    (tmp_path / "bad.ply").write_bytes(write_vertices(columns))
    found = describe(tmp_path / "bad.ply")
    assert (found["splats"], found["nonfinite"]) == (4, 1)
    assert "left out 1 more" in found["messages"][0]
    assert "nonfinite" not in describe(tmp_path / "good.ply")
    with pytest.raises(UnreadableFile, match="--drop-nonfinite"):
        convert(tmp_path / "bad.ply", tmp_path / "b.ply")
    splats, lost = convert(tmp_path / "bad.ply", tmp_path / "b.ply", drop_nonfinite=True)
    assert len(splats) == len(load_splats(tmp_path / "b.ply")) == 4
    assert "1 of 5 splats" in lost[0]


def test_info_of_captures(tmp_path, capture):
    found = describe(capture)
    assert (found["kind"], found["format"], found["images"], found["train"]) == ("capture", "nerfstudio", 10, 8)
    assert found["test"] == ["images/00.png", "images/08.png"]
    assert found["sizes"] == {"48x36": 10}
    assert found["lenses"][0]["model"] == "pinhole"
    assert describe(capture / "transforms.json")["images"] == 10
    write_colmap(tmp_path / "colmap")
    assert describe(tmp_path / "colmap")["points"] == 3
    write_blender(tmp_path / "blender")
    assert describe(tmp_path / "blender")["format"] == "blender"
    write_photograph(tmp_path / "plain" / "a.jpg")
    plain = describe(tmp_path / "plain")
    assert (plain["kind"], plain["sizes"]) == ("photographs", {"32x24": 1})


def test_info_of_a_run(run):
    found = describe(run)
    assert found["kind"] == "run"
    assert found["scene"]["splats"] == found["metrics"]["splats"]
    assert found["step"] == 24
    json.dumps(found)


@pytest.mark.parametrize("name", ["nothing", "nothing.ply", "empty", "a.txt"])
def test_info_of_what_is_nothing(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises((UnreadableFile, InvalidInput), match=name.split(".")[0]):
        describe(tmp_path / name)


def test_doctor_finds_a_sound_installation(monkeypatch):
    checks = {check.name: check for check in doctor.examine()}
    assert all(check.good for check in checks.values())
    assert {"geokit", "python", "torch", "CPU level", "threads", "GPU kernels", "pycolmap", "self test"} <= set(checks)
    monkeypatch.setattr(doctor, "_OPTIONAL", ((("no-such-package",), "nothing", "it"),))
    assert [check.cure for check in doctor.examine() if check.name == "no-such-package"] == ["pip install 'geokit[it]'"]


def named(name):
    return [check for check in doctor.examine() if check.name.startswith(name)]


def test_doctor_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "kernels_built", lambda: None)
    kernels, place = named("GPU")
    assert "not in this build" in kernels.found
    assert place.found.startswith("none that torch sees")
    assert kernels.good
    assert place.good, "it is no fault to have none"


@pytest.mark.parametrize("reason", [None, "its driver is old"])
def test_doctor_says_which_gpus_there_are_and_what_keeps_them_from_computing(monkeypatch, reason):
    facts = SimpleNamespace(name="Some GPU", total_memory=24 * 2**30, major=8, minor=6)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: facts)
    monkeypatch.setattr(gpu, "kernels_built", lambda: (["75-real", "90"], 13000, 12080))
    monkeypatch.setattr(gpu, "obstacle", lambda index: reason)
    monkeypatch.setattr(doctor, "self_test", lambda device="cpu": doctor.Check("self test", device))
    kernels, *gpus = named("GPU")
    assert kernels.found == "for 75-real, 90, built with CUDA 13.0; the driver knows CUDA 12.8"
    assert [check.name for check in gpus] == ["GPU 0", "GPU 1"]
    assert {check.found for check in gpus} == {"Some GPU, 24.0 GiB, compute capability 8.6"}
    assert {check.cure for check in gpus} == {reason or ""}
    assert {check.good for check in gpus} == {reason is None}, "it is a fault to have one that cannot be used"
    assert [check.found for check in named("self test")] == (["cpu"] if reason else ["cpu", "cuda"])


def test_doctor_says_what_a_device_cannot_render():
    check = doctor.self_test("meta")
    assert not check.good
    assert "could not be rendered" in check.found


@pytest.mark.parametrize(
    ("error", "device", "cure"),
    [
        (OutOfMemory("rasterize needs more memory than cuda:0 has left"), "cuda", "free memory on the GPU"),
        (torch.OutOfMemoryError("CUDA out of memory."), "cuda", "free memory on the GPU"),
        (RuntimeError("CUDA error: out of memory"), "cuda", "free memory on the GPU"),
        (RuntimeError("CUDA error: unspecified launch failure"), "cuda", "--device cpu and report .* nvidia-smi"),
        (RuntimeError("a symbol is missing"), "cpu", "install geokit again"),
    ],
)
def test_doctor_says_what_helps(monkeypatch, error, device, cure):
    def fail(*_):
        raise error

    monkeypatch.setattr(doctor.Splats, "to", lambda splats, device: splats)
    monkeypatch.setattr(doctor.Cameras, "to", lambda cameras, device: cameras)
    monkeypatch.setattr(doctor, "render", fail)
    check = doctor.self_test(device)
    assert not check.good
    assert str(error) in check.found
    assert re.search(cure, check.cure)


def test_doctor_finds_a_wrong_pixel(monkeypatch):
    monkeypatch.setattr(doctor, "SH_C0", 1.0)
    check = doctor.self_test()
    assert not check.good
    assert check.cure
