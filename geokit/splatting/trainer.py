"""Training: photographs and cameras to splats, one view a step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry import Cameras, Splats
from geokit.splatting.densify import CloneSplitPrune, Densification, Relocation
from geokit.splatting.list_rooms import ListRooms
from geokit.splatting.losses import photometric_loss
from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.photographs import Carrier, placed
from geokit.splatting.reading import runs_ahead
from geokit.splatting.render import render
from geokit.splatting.schedule import TrainConfig, learning_rates, means_rate, reduction, sh_degree
from geokit.splatting.waves import attenuation_penalty, open_waves, reopen_waves

_FINITE_EVERY = 25  # steps, as often as the densest schedule refines


@dataclass(frozen=True)
class Step:
    """What one step did: its number from 1, the loss, the PSNR of its view in dB, the splats after it.

    On a GPU to read `loss` or `psnr` is to wait until the step is done.
    """

    number: int
    splats: int
    measured: tuple[Tensor, Tensor]  # the loss, the mean squared error

    @cached_property
    def loss(self) -> float:
        """What training minimises, without what regularises it."""
        return float(self.measured[0])

    @cached_property
    def psnr(self) -> float:
        """Of the step's view, in dB."""
        return float(-10 * torch.log10(self.measured[1].clamp_min(1e-12)))


class Trainer:
    """Fits splats to photographs.

    cameras: N of them; photographs: N uint8 tensors (H, W, 3) of the cameras' sizes; splats: where to begin; device:
    where to compute, by default that of the splats. On the CPU a run depends on nothing but its inputs: the same seed
    gives the same bytes, on any number of threads, whether or not it was interrupted (`state`, `resume`). On a GPU no
    step waits for the device, but for those that add or drop splats and every 25th, which looks for values that are
    not finite.
    """

    def __init__(
        self,
        cameras: Cameras,
        photographs: Sequence[Tensor],
        splats: Splats,
        config: TrainConfig,
        device: torch.device | str | None = None,
    ) -> None:
        if len(cameras) != len(photographs) or not len(cameras):
            raise InvalidInput(
                f"training needs one photograph a camera: got {len(photographs)} for {len(cameras)} cameras"
            )
        for name, (width, height), photograph in zip(cameras.names, cameras.sizes, photographs):
            if tuple(photograph.shape) != (height, width, 3) or photograph.dtype != torch.uint8:
                raise InvalidInput(
                    f"photograph '{name}' must be uint8 of shape ({height}, {width}, 3), "
                    f"got {photograph.dtype} {tuple(photograph.shape)}"
                )
        if not len(splats):
            raise InvalidInput("training needs at least one splat to begin with; give it initial points")
        for name, tensor in splats.tensors().items():
            check_tensor(name, tensor, tensor.shape, torch.float32, finite=True)
        self.config, self.cameras = config, cameras
        self.extent = cameras.extent
        self.smallest = min(min(size) for size in cameras.sizes)
        self.optimizer = SplatOptimizer(splats if device is None else splats.to(device))
        self.device = self.optimizer.parameters["means"].device
        self._ahead = runs_ahead(self.device)
        self.levels = _pyramid(cameras, photographs, reduction(config, 0.0, self.smallest), self.device)
        self._views = [[level[i].to(self.device) for i in range(len(level))] for level, _ in self.levels]
        self._half_sizes = (torch.tensor(cameras.sizes) / 2).to(self.device)
        self._carrier, self._rooms = Carrier(self.device), ListRooms(self.device)
        self.generator = torch.Generator().manual_seed(config.seed)  # of all that is decided by Python
        self.draws = _generator(self.device, config.seed) if self._ahead else self.generator
        self.densification = self._densification()
        self.background = torch.tensor(config.background).to(self.device)
        self._broken = torch.zeros((), dtype=torch.bool, device=self.device)  # a loss that was not finite was seen
        self.step_number = 0
        self.queue: list[int] = []
        self.wave_rounds = 0

    def _densification(self) -> Densification:
        every = max(25, min(100, self.config.steps // 50))
        if self.config.strategy == "mcmc":
            return Relocation(self.config.max_splats, self.draws, every)
        return CloneSplitPrune(self.config.max_splats, self.draws, self.extent, every)

    @property
    def streams_photographs(self) -> bool:
        """Whether the photographs are in main memory, since they would fill too much of the GPU's."""
        return self.levels[0][1][0].device.type != self.device.type

    @property
    def splats(self) -> Splats:
        """A copy of the splats as they are now."""
        return self.optimizer.splats.map(lambda tensor: tensor.detach().clone())

    def step(self, progress: float | None = None) -> Step:
        """One step. `progress` in [0, 1] drives the schedules; by default the fraction of the steps done."""
        config, steps = self.config, self.config.steps
        if progress is None:
            progress = self.step_number / steps
        elif progress > 0:  # as many steps as the run will have at this pace
            steps = max(self.step_number + 1, round(self.step_number / progress))
        self.step_number += 1
        level = reduction(config, progress, self.smallest)
        self.optimizer.extend_sh(sh_degree(config, progress))
        if config.primitive == "gabor":
            self._grow_waves(progress, level)
        if not self.queue:
            self.queue = torch.randperm(len(self.cameras), generator=self.generator).tolist()
        view = self.queue.pop()
        splats = self.optimizer.splats
        probe = None
        if config.strategy == "classic":
            probe = torch.zeros_like(splats.means[:, :2], requires_grad=True)
        with self._rooms.within((level, len(splats), splats.waves)) as room:
            loss, square = self._loss(splats, view, level, probe)
            if not self._ahead:
                self._check_finite(loss)
            self._regularised(loss, splats).backward()
            skipped = None if room is None else room.overflowed()
        if self.queue:
            self._carrier.expect(self.levels[level][1][self.queue[-1]])
        self.optimizer.step(learning_rates(config, splats, self.extent, progress), skipped)
        if self._ahead:
            self._broken |= ~torch.isfinite(loss.detach())
            if self.step_number % _FINITE_EVERY == 0 or self.densification.refines(self.step_number, steps):
                self._check_gathered()
        rate, absolute = means_rate(config, self.extent, progress), None
        if probe is not None and probe.grad is not None:
            absolute = probe.grad * (self._half_sizes[view] / 2**level)
        self.densification.after_step(self.optimizer, self.step_number, steps, rate, absolute, skipped)
        return Step(self.step_number, len(self.optimizer), (loss.detach(), square))

    def _check_finite(self, loss: Tensor) -> None:
        """The loss at every step; now and then the splats too, since one that is not finite is culled, not seen."""
        bad = [] if bool(torch.isfinite(loss)) else ["loss"]
        if self.step_number % _FINITE_EVERY == 0:
            bad += [name for name, t in self.optimizer.parameters.items() if not bool(torch.isfinite(t).all())]
        self._refuse(bad)

    def _check_gathered(self) -> None:
        """All losses so far and the splats, waiting for the device once."""
        parameters = self.optimizer.parameters
        flags = [self._broken, *(~torch.isfinite(t.detach()).all() for t in parameters.values())]
        found = torch.stack(flags).tolist()
        bad = [name for name, flag in zip(("loss", *parameters), found) if flag]
        self._refuse(bad[:1])  # the others followed

    def _refuse(self, bad: list[str]) -> None:
        if bad:
            raise NumericalFailure(
                f"the {' and the '.join(bad)} is not finite at step {self.step_number}; "
                "lower the learning rates or check the poses"
            )

    def _loss(self, splats: Splats, view: int, level: int, probe: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The loss of one view, and its mean squared error."""
        camera, config = self._views[level][view], self.config
        target = self._carrier.take(self.levels[level][1][view]).to(torch.float32).div_(255)
        picture = render(
            splats, camera, background=self.background, antialiased=config.antialiased, screen_probe=probe
        ).image
        return photometric_loss(picture, target, config.ssim_weight)

    def _regularised(self, loss: Tensor, splats: Splats) -> Tensor:
        config = self.config
        if config.strategy == "mcmc":
            loss = loss + config.opacity_penalty * splats.logit_opacities.sigmoid().mean()
            loss = loss + config.scale_penalty / self.extent * splats.log_scales.exp().mean()
        return loss + 0.01 * attenuation_penalty(splats) if splats.waves else loss

    def _grow_waves(self, progress: float, level: int) -> None:
        """Train as Gaussians, open the waves that the residual asks for, and later give dead ones another chance."""
        opening = self.config.open_waves_at
        due = [opening + later * (1 - opening) for later in (0.0, 0.15, 0.35, 0.55)]
        if self.wave_rounds == len(due) or progress < due[self.wave_rounds]:
            return
        views = torch.randperm(len(self.cameras), generator=self.generator)[:12].tolist()

        def loss_of(splats: Splats, view: int) -> Tensor:
            return self._loss(splats, view, level)[0]

        if self.wave_rounds == 0:
            open_waves(self.optimizer, self.config.waves, views, loss_of, self.draws)
        else:
            reopen_waves(self.optimizer, views, loss_of, self.draws)
        self.wave_rounds += 1

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors (on the CPU) and metadata of a checkpoint, copied: training on does not change them."""
        if self._ahead:
            self._check_gathered()
        live = self.optimizer.state() | self.densification.state()
        tensors = {name: tensor.to("cpu", copy=True) for name, tensor in live.items()}
        tensors["generator"] = self.generator.get_state()
        if self._ahead:
            tensors["device_generator"] = self.draws.get_state()
        metadata = {
            "step": self.step_number,
            "optimizer_steps": self.optimizer.step_count,
            "queue": list(self.queue),
            "wave_rounds": self.wave_rounds,
            "config": asdict(self.config),
        }
        return tensors, metadata

    def resume(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Go on where `state` was taken, be it on another device."""
        self.optimizer = SplatOptimizer.from_state(tensors, metadata["optimizer_steps"], self.device)
        self.densification.load(tensors)
        self.generator.set_state(tensors["generator"])
        self.step_number, self.queue = metadata["step"], list(metadata["queue"])
        if self._ahead and "device_generator" in tensors:
            self.draws.set_state(tensors["device_generator"])
        elif self._ahead:  # the run was on the CPU so far
            self.draws.manual_seed(self.config.seed + self.step_number)
        self.wave_rounds = metadata["wave_rounds"]


def _generator(device: torch.device, seed: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def _pyramid(
    cameras: Cameras, photographs: Sequence[Tensor], halvings: int, device: torch.device
) -> list[tuple[Cameras, list[Tensor]]]:
    """The cameras and photographs at full size, at half, ...; halved by averaging areas. Photographs for `device`."""
    levels = [(cameras, list(photographs))]
    for halving in range(1, halvings + 1):
        sizes = [(max(1, w >> halving), max(1, h >> halving)) for w, h in cameras.sizes]
        smaller = [_averaged(photograph, size, device) for photograph, size in zip(photographs, sizes)]
        levels.append((cameras.resized(sizes), smaller))
    ready = placed([pictures for _, pictures in levels], device)
    return [(level, pictures) for (level, _), pictures in zip(levels, ready)]


def _averaged(photograph: Tensor, size: tuple[int, int], device: torch.device) -> Tensor:
    """Where the photograph is; computed on the device if it is a GPU."""
    there = photograph.to(device) if device.type == "cuda" else photograph
    planes = there.permute(2, 0, 1)[None].to(torch.float32)
    small = torch.nn.functional.interpolate(planes, size=(size[1], size[0]), mode="area")
    return small[0].permute(1, 2, 0).round().to(torch.uint8).contiguous().to(photograph.device)
