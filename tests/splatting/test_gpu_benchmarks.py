"""The benchmarks of a GPU, tried out on the CPU at sizes of no meaning."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from geokit.backend import tile_ops
from geokit.geometry import Cameras, PointCloud, Splats
from geokit.splatting import render
from tests.splatting.test_trainer import CAMERAS, PHOTOGRAPHS, TRUTH

CPU, POINTS = torch.device("cpu"), PointCloud(TRUTH.means)


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a file of benchmarks/."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "benchmarks"), *sys.path])
    return importlib.import_module


def test_pictures_and_stages(benchmark, monkeypatch, capsys):
    module = benchmark("splatting_cuda")
    monkeypatch.setattr(module, "copy_bandwidth", lambda device: 1e9)
    monkeypatch.setattr(module, "fma_rate", lambda device: 1e10)
    other = {"other": lambda splats, camera: render(splats, camera, dilation=0.3).image}
    found = module.measured(CPU, other, [1500], [(64, 48), (48, 32)], repeats=1)
    assert [(row["who"], row["waves"]) for row in found["comparison"]] == [
        ("geokit", 0), ("other", 0), ("geokit", 0), ("other", 0), ("geokit", 2), ("geokit", 2)
    ]  # fmt: skip
    slower = {
        (row["waves"], way): row[f"{way} x of Gaussian"] for row in found["comparison"] for way in ("forward", "both")
    }
    assert slower[0, "both"] is None
    assert slower[2, "forward"] > 0
    assert slower[2, "both"] > 0
    assert all(row["forward ms"] > 0 and row["both ms"] > 0 and row["difference"] == 0 for row in found["comparison"])
    assert len(found["stages"]) == 4 * 7
    assert all(row["ms"] > 0 and row["of the limit"] > 0 for row in found["stages"])
    assert "geokit's stages alone" in capsys.readouterr().out
    other = {"other": lambda splats, camera: render(splats, camera).image + 1}
    with pytest.raises(SystemExit, match="nothing to compare"):
        module.measured(CPU, other, [500], [(48, 32)], repeats=1)


def test_memory_is_that_of_a_call_without_what_the_last_one_left(benchmark, monkeypatch):
    """A ledger in place of torch's: 30 MB are left behind by every call, 50 MB held in it."""
    held, peaks, events = [40e6], [0.0], []

    def call():
        events.append("call")
        held[0] = 70e6
        peaks[0] = 90e6

    def clear():
        events.append("clear")
        held[0] = 40e6

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: held[0])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peaks[0])
    meter = benchmark("gpu_clock").peak_megabytes
    assert [meter(call, clear, torch.device("cuda")) for _ in range(2)] == [50, 50]
    assert events[:4] == ["clear", "synchronize", "call", "synchronize"]
    assert meter(call, clear, CPU) is None


def test_columns_that_compare(benchmark):
    module = benchmark("splatting_cuda")
    row = {"who": "geokit", "scene": "city", "splats": 5, "size": "4x3", "waves": 0, "forward ms": 2.0, "both ms": 4.0}
    other = row | {"who": "gsplat", "forward ms": 9.0}
    gabor = row | {"waves": 2, "forward ms": 3.0, "both ms": 8.0}
    alone = gabor | {"size": "8x6"}
    rows = module.beside_gaussians([row, other, gabor, alone])
    assert [r["forward x of Gaussian"] for r in rows] == [None, None, 1.5, None]
    assert [r["both x of Gaussian"] for r in rows] == [None, None, 2.0, None]
    assert module.ratio(6.0, 4.0) == 1.5
    assert module.ratio(None, None) is None


def test_both_ways_clear_what_they_leave(benchmark):
    module = benchmark("splatting_cuda")
    kept = []
    both, clear = module.both_ways(lambda s, c: kept.append(s) or render(s, c).image, TRUTH, CAMERAS[0])
    both()
    assert all(t.grad is not None for t in kept[0].tensors().values() if t.numel())
    clear()
    assert all(t.grad is None for t in kept[0].tensors().values())
    assert not tile_ops._last_binnings


def test_the_city_looks_as_it_should(benchmark):
    """As large as wanted, a good part of it in view, the same every time."""
    module, scenes = benchmark("city_scene"), benchmark("splatting_scenes")
    splats = module.city(20_000)
    screen = scenes.projected(splats.truncated_sh(0), module.street_camera(1920, 1080))
    assert float(screen.radii().median()) == pytest.approx(module.MEDIAN_RADIUS, rel=0.1)
    assert 0.25 < float((screen.depths > 0).float().mean()) < 0.6
    assert torch.equal(module.city(20_000).means, splats.means)
    assert module.city(100, waves=2).waves == 2


def test_training(benchmark):
    module = benchmark("splatting_cuda_training")
    data = module.Data(CAMERAS, PHOTOGRAPHS, CAMERAS[:2], PHOTOGRAPHS[:2], POINTS)
    for strategy, progressive in (("mcmc", True), ("classic", True), ("mcmc", False)):
        row = module.train_geokit(data, strategy, 6, 60, CPU, progressive)
        assert row["minutes"] > 0
        assert 5 < row["dB"] < 60
        assert row["splats"] <= 60


def test_the_rows_say_how_large_the_pictures_are(benchmark, monkeypatch):
    module, asked = benchmark("splatting_cuda_training"), []
    monkeypatch.setattr(module, "fox", lambda *_: module.Data(CAMERAS, PHOTOGRAPHS, CAMERAS, PHOTOGRAPHS, POINTS))
    monkeypatch.setattr(module, "train_geokit", lambda *a: asked.append((a[1], a[5])) or {})
    monkeypatch.setattr(module, "train_gsplat", lambda *a: asked.append((a[1],)) or {})
    rows = [module.one_run(Path(), name, 1, 1, 1.0, "cpu") for name in module.RUNS]
    assert [row["pictures"] for row in rows] == ["growing", "full size"] * 2 + ["full size"] * 2
    assert asked == [("mcmc", True), ("mcmc", False), ("classic", True), ("classic", False), ("MCMC",), ("default",)]


@pytest.mark.parametrize("kind", ["MCMC", "default"])
def test_the_loop_of_the_peer(benchmark, monkeypatch, kind):
    """With geokit's rasterizer in place of its own and without its noise, which need a GPU."""
    gsplat = pytest.importorskip("gsplat")
    monkeypatch.setattr("gsplat.strategy.mcmc.inject_noise_to_position", lambda **_: None)
    module = benchmark("splatting_cuda_training")

    def rasterization(means, quats, scales, opacities, colors, poses, K, width, height, sh_degree, packed):
        splats = Splats(means, quats, scales.log(), opacities.logit(), colors)
        probe = means.new_zeros(1, len(means), 2).requires_grad_()
        image = render(splats, Cameras(poses, K, ((width, height),)), sh_degree=sh_degree).image + 0 * probe.sum()
        info = {"means2d": probe, "width": width, "height": height, "n_cameras": 1, "gaussian_ids": None}
        return image[None], None, info | {"radii": torch.ones(1, len(means), 2)}

    monkeypatch.setattr(gsplat, "rasterization", rasterization)
    data = module.Data(CAMERAS, PHOTOGRAPHS, CAMERAS[:2], PHOTOGRAPHS[:2], POINTS)
    row = module.train_gsplat(data, kind, 40, 60, CPU)
    assert row["splats"] == 40
    assert row["dB"] > module.train_gsplat(data, kind, 1, 60, CPU)["dB"]


@pytest.mark.parametrize("name", ["splatting_cuda", "splatting_cuda_training"])
def test_without_a_gpu_they_end_with_one_sentence(benchmark, monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit, match=r"^this benchmark measures a GPU, but ."):
        benchmark(name).main()
