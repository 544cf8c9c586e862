"""Train the prior on a corpus, and tell how well it denoises families that it has not seen.

    python scenes/spectral_prior/train.py --corpus out/spectral_prior/corpus.safetensors \
        --output geokit/spectral/prior/functional_maps.safetensors

Every tenth family is held out. Some 25 CPU minutes of one thread for 4,000 steps.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from geokit.io.checkpoints import load_checkpoint
from geokit.spectral.prior import DiffusionPrior, GaussianPrior, save_prior
from geokit.spectral.prior.diffusion import MovingAverage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("out/spectral_prior/corpus.safetensors"))
    parser.add_argument("--output", type=Path, default=Path("out/spectral_prior/functional_maps.safetensors"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    tensors, about = load_checkpoint(options.corpus)
    held = tensors["family"] % 10 == 9
    maps, unseen = tensors["maps"][~held], tensors["maps"][held]
    model = DiffusionPrior(GaussianPrior.fit(maps, floor=1e-6), options.width, options.depth)
    average = train(model, maps, options.steps, options.batch, torch.Generator().manual_seed(options.seed), unseen)
    average.copy_to(model)
    report(model, unseen)
    save_prior(options.output, model, {**about, "maps": len(maps), "steps": options.steps, "seed": options.seed})
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def train(
    model: DiffusionPrior, maps: Tensor, steps: int, batch: int, rng: torch.Generator, unseen: Tensor
) -> MovingAverage:
    """Adam with a short warm-up and a cosine decay of the step."""
    average = MovingAverage(model)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99))
    start, running = time.process_time(), 0.0
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = model.loss(maps[torch.randint(len(maps), (batch,), generator=rng)], rng)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        average.update(model)
        running += (float(loss.detach()) - running) * max(0.01, 1 / (step + 1))
        if step % 200 == 199:
            print(f"{step + 1} of {steps}: loss {running:.3f}, {time.process_time() - start:.0f} CPU s", flush=True)
    return average


@torch.no_grad()
def report(model: DiffusionPrior, unseen: Tensor) -> None:
    """Root mean squared denoising error of families held out: noise, the mean map, Gaussian, diffusion."""
    rng = torch.Generator().manual_seed(0)
    some = unseen[torch.randperm(len(unseen), generator=rng)[:512]]
    print(
        f"denoising {len(some)} maps of families held out; the mean map alone: {_rms(model.gaussian.mean - some):.4f}"
    )
    for level in (0.05, 0.1, 0.2, 0.5, 1.0):
        sigma = torch.full((len(some),), level)
        noisy = some + level * torch.randn(some.shape, generator=rng)
        errors = [_rms(d(noisy, sigma) - some) for d in (model.gaussian.denoise, model.denoise)]
        print(f"  sigma {level}: Gaussian {errors[0]:.4f}, diffusion {errors[1]:.4f}")


def _rms(difference: Tensor) -> float:
    return float(difference.square().mean().sqrt())


if __name__ == "__main__":
    main()
