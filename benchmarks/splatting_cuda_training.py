"""Training on a GPU, measured: geokit and gsplat on the fox at full resolution, with the same cap on the splats.

    python benchmarks/splatting_cuda_training.py [--data FOLDER] [--steps N] [--cap N]

geokit is trained with its defaults, by which pictures grow from a quarter of their size, and ("full") with pictures of
full size from the first step on, as gsplat is. gsplat is trained by its own strategies in a plain loop with the
learning rates and the schedule of its examples. Photographs, initial points, the loss (geokit's kernel), harmonics and
what is held out are the same. The default strategy of gsplat knows no cap: it stops growing at the first refinement
that reaches it.
Every run has a process of its own; minutes are those of the training steps.
The results also go to benchmarks/results/splatting_cuda.json.
"""

import argparse
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import ROOT, in_own_process, print_table, save
from gpu_clock import gpu, peer, the_gpu
from torch import Tensor

from geokit.geometry import Cameras
from geokit.io import load_capture
from geokit.io.initial_points import initial_points
from geokit.splatting import TrainConfig, Trainer, photometric_loss, psnr, render, splats_from_points

STEPS, CAP, TEST_EVERY, SH_DEGREE = 30_000, 1_000_000, 8, 3
RUNS = (
    "geokit mcmc", "geokit mcmc full", "geokit classic", "geokit classic full", "gsplat MCMC", "gsplat default"
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Photographs are uint8 (H, W, 3)."""

    cameras: Cameras
    photographs: list[Tensor]
    test_cameras: Cameras
    test_photographs: list[Tensor]
    points: Any


def fox(folder: Path, downscale: float, initial: int) -> Data:
    capture = load_capture(folder / "splatting" / "fox_colmap", downscale, TEST_EVERY)
    views = {
        split: [(capture.photograph(i) * 255).round().to(torch.uint8) for i in getattr(capture, split)]
        for split in ("train", "test")
    }
    points = initial_points(capture, initial, torch.Generator().manual_seed(0))
    cameras = capture.cameras
    return Data(cameras[capture.train], views["train"], cameras[capture.test], views["test"], points)


def held_out(picture: Any, data: Data, device: torch.device) -> float:
    """Mean PSNR; picture(camera) renders."""
    values = []
    with torch.no_grad():
        for i, photograph in enumerate(data.test_photographs):
            image = picture(data.test_cameras[i].to(device))
            values.append(psnr(image, photograph.to(device).float() / 255))
    return sum(values) / len(values)


def train_geokit(
    data: Data, strategy: str, steps: int, cap: int, device: torch.device, progressive: bool = True
) -> dict[str, Any]:
    config = TrainConfig(
        steps=steps,
        max_splats=cap,
        initial_splats=cap,
        sh_degree=SH_DEGREE,
        strategy=strategy,
        progressive=progressive,
    )
    splats = splats_from_points(data.points, config.initial_opacity, config.initial_scale)
    trainer = Trainer(data.cameras, data.photographs, splats, config, device)
    start = time.perf_counter()
    for _ in range(steps):
        step = trainer.step()
    _ = step.loss  # waits for the last of them
    seconds, found = time.perf_counter() - start, trainer.splats
    quality = held_out(lambda camera: render(found, camera, background=trainer.background).image, data, device)
    return {"minutes": seconds / 60, "dB": quality, "splats": len(found)}


class Peer:
    """gsplat's parameters, one Adam each with the rates of its examples, and a strategy."""

    def __init__(self, data: Data, kind: str, steps: int, cap: int, device: torch.device) -> None:
        gsplat = peer()
        self.rasterization, self.cap, self.mcmc = gsplat.rasterization, cap, kind == "MCMC"
        begun = splats_from_points(data.points, *((0.5, 0.1) if self.mcmc else (0.1, 1.0)))
        coefficients = torch.zeros(len(begun), (SH_DEGREE + 1) ** 2, 3)
        coefficients[:, :1] = begun.sh_coeffs
        self.extent = data.cameras.extent
        start = {
            "means": (begun.means, 1.6e-4 * self.extent),
            "scales": (begun.log_scales, 5e-3),
            "quats": (begun.quats, 1e-3),
            "opacities": (begun.logit_opacities, 5e-2),
            "sh0": (coefficients[:, :1], 2.5e-3),
            "shN": (coefficients[:, 1:], 2.5e-3 / 20),
        }
        self.parameters = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(value.clone().to(device)) for name, (value, _) in start.items()}
        )
        self.optimizers = {
            name: torch.optim.Adam([{"params": self.parameters[name], "lr": rate, "name": name}], eps=1e-15, fused=True)
            for name, (_, rate) in start.items()
        }
        self.decay = torch.optim.lr_scheduler.ExponentialLR(self.optimizers["means"], 0.01 ** (1 / steps))
        if self.mcmc:  # refinements end where they do in 30,000 steps
            self.strategy = gsplat.MCMCStrategy(cap_max=cap, refine_stop_iter=steps * 25 // 30)
            self.state = self.strategy.initialize_state()
        else:
            self.strategy = gsplat.DefaultStrategy(refine_stop_iter=steps // 2)
            self.state = self.strategy.initialize_state(scene_scale=self.extent)
        self.strategy.check_sanity(self.parameters, self.optimizers)
        self.steps = steps

    def picture(self, camera: Cameras, degree: int = SH_DEGREE) -> tuple[Tensor, dict[str, Any]]:
        p, (width, height) = self.parameters, camera.sizes[0]
        image, _, info = self.rasterization(
            p["means"], p["quats"], p["scales"].exp(), p["opacities"].sigmoid(), torch.cat([p["sh0"], p["shN"]], 1),
            camera.world_to_camera.float(), camera.K.float(), width, height, sh_degree=degree, packed=False,
        )  # fmt: skip
        return image[0], info

    def step(self, number: int, camera: Cameras, photograph: Tensor) -> None:
        degree = min(SH_DEGREE, number * 30 // self.steps)  # one more every 1,000 of 30,000 steps
        image, info = self.picture(camera, degree)
        loss = photometric_loss(image, photograph.float() / 255)[0]
        own = self.parameters, self.optimizers, self.state, number, info
        if self.mcmc:
            loss = loss + 0.01 * (
                self.parameters["opacities"].sigmoid().mean() + self.parameters["scales"].exp().mean()
            )
        else:
            if len(self.parameters["means"]) >= self.cap:
                self.strategy.grow_grad2d = math.inf
            self.strategy.step_pre_backward(*own)
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        rate = self.decay.get_last_lr()[0]
        self.decay.step()
        if self.mcmc:
            self.strategy.step_post_backward(*own, lr=rate)
        else:
            self.strategy.step_post_backward(*own)


def train_gsplat(data: Data, kind: str, steps: int, cap: int, device: torch.device) -> dict[str, Any]:
    torch.manual_seed(0)
    run = Peer(data, kind, steps, cap, device)
    cameras = [data.cameras[i].to(device) for i in range(len(data.cameras))]
    photographs, queue = [photograph.to(device) for photograph in data.photographs], []
    start = time.perf_counter()
    for number in range(steps):
        queue = queue or torch.randperm(len(cameras)).tolist()
        view = queue.pop()
        run.step(number, cameras[view], photographs[view])
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    quality = held_out(lambda camera: run.picture(camera)[0], data, device)
    return {"minutes": seconds / 60, "dB": quality, "splats": len(run.parameters["means"])}


def one_run(folder: Path, name: str, steps: int, cap: int, downscale: float, device: str = "cuda") -> dict[str, Any]:
    who, kind, *full = name.split()
    data, place = fox(folder, downscale, cap), torch.device(device)
    progressive = who == "geokit" and not full
    if who == "geokit":
        found = train_geokit(data, kind, steps, cap, place, progressive)
    else:
        found = train_gsplat(data, kind, steps, cap, place)
    width, height = data.cameras.sizes[0]
    memory = torch.cuda.max_memory_allocated(place) / 1e6 if place.type == "cuda" else None
    pictures = "growing" if progressive else "full size"
    row = {"run": name, "size": f"{width}x{height}", "pictures": pictures, "steps": steps, "cap": cap}
    return row | found | {"peak GPU MB": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default, help="folder of the real data")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--cap", type=int, default=CAP)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    here = gpu(the_gpu())
    print(f"{here['name']}; gsplat {peer().__version__}; torch {torch.__version__}")
    if not (options.data / "splatting" / "fox_colmap").is_dir():
        raise SystemExit(f"{options.data / 'splatting' / 'fox_colmap'} is not there; name the data with --data")
    rows = [in_own_process(one_run, options.data, name, options.steps, options.cap, 1.0) for name in options.only]
    print_table("The fox at full resolution, every eighth photograph held out", rows)
    print(f"  -> {save('splatting_cuda', 'training', {'gpu': here, 'rows': rows})}")


if __name__ == "__main__":
    main()
