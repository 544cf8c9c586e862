"""The benchmarks of a GPU, tried out on the CPU at sizes of no meaning."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

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
    assert all(row["forward ms"] > 0 and row["both ms"] > 0 and row["difference"] == 0 for row in found["comparison"])
    assert len(found["stages"]) == 4 * 7
    assert all(row["ms"] > 0 and row["of the limit"] > 0 for row in found["stages"])
    assert "geokit's stages alone" in capsys.readouterr().out
    other = {"other": lambda splats, camera: render(splats, camera).image + 1}
    with pytest.raises(SystemExit, match="nothing to compare"):
        module.measured(CPU, other, [500], [(48, 32)], repeats=1)


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
    for strategy in ("mcmc", "classic"):
        row = module.train_geokit(data, strategy, 6, 60, CPU)
        assert row["minutes"] > 0
        assert 5 < row["dB"] < 60
        assert row["splats"] <= 60


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
    with pytest.raises(SystemExit, match=r"^this benchmark measures a GPU: .* NVIDIA GPU"):
        benchmark(name).main()
