"""One training step of affine-equivariant networks for 40 x 40 digits: ours, plain torch, and the authors' own code.

OMP_NUM_THREADS=1 python benchmarks/lie_speed.py [--rgenn PATH]          three minutes; five with the authors' code

PATH: a checkout of https://github.com/mirceamironenco/rgenn, which needs einops; its network by the defaults of its
train.py with `--liegroup gl2`. Sampling networks: GL+(2), 10 elements, 40 channels, kernels of 5 x 5. Forward and
backward, CPU seconds, one thread, all in turns in one process; memory of a step, each in a process of its own.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, machine, peak_memory, print_table, save
from plain_torch_lie import PlainLieNet
from torch import nn
from torch.nn.functional import cross_entropy

from geokit.equivariant.lie import AffineConvNet, GLPlus, GroupConvNet
from geokit.equivariant.lie.poses import class_scores

ROUNDS = 5
OURS = {
    "AffineConvNet, batch 64": 64,
    "AffineConvNet, cached, batch 64": 64,
    "AffineConvNet": 16,
    "AffineConvNet, cached": 16,
    "GroupConvNet, separable": 16,
    "GroupConvNet, dense": 16,
}
PLAIN, AUTHORS = "plain torch", "the authors' code"


def network(who: str, rgenn: str | None) -> nn.Module:
    torch.manual_seed(0)
    if who == PLAIN:
        return PlainLieNet()
    if who == AUTHORS:
        return authors_network(rgenn)
    if who.startswith("AffineConvNet"):
        return AffineConvNet(GLPlus(2))
    mixing = who.split(", ")[1]
    return GroupConvNet(GLPlus(2), widths=(40, 40), samples=10, mixing=mixing, hidden=256)


def authors_network(rgenn: str | None) -> nn.Module:
    """By the defaults of their train.py, for GL+(2)."""
    assert rgenn is not None
    sys.path.insert(0, rgenn)
    from rgenn import groups, inr, models

    symmetric = groups.SPD2(traceless=False, metric_alpha=1.0)
    turns = groups.SO2(metric_alpha=1.0)
    group = groups.GL2(
        1.0,
        symmetric,
        turns,
        spd_sampler=groups.LogNormalSPD2(symmetric, bounds=0.1),
        orthogonal_sampler=groups.EquiDistantSO2(turns, bounds=1.0),
    )
    siren = inr.SIRENConfig(hidden_features=60, num_hidden=2, first_w0=10.0, w0=10.0, use_bias=True)
    kernels = inr.INRPartConfig(
        kernel_class=inr.SIREN,
        kernel_config=siren,
        hidden_features=60,
        final_bias=True,
        final_gain=6.0,
        final_mixed_fans=False,
    )
    net = models.GResNet(group=group, num_gsamples=10, inr_cfg=kernels, dims=[40, 40], in_chans=1, stem_kernel=5)
    return models.SamplingWrapper(net, num_gsamples=10, group=group, sample_inference=True, deterministic=False)


def step_of(who: str, rgenn: str | None) -> tuple[nn.Module, Callable[[], None]]:
    """A network in training, and a function that runs it forward and back."""
    net, batch = network(who, rgenn).train(), OURS.get(who, 16)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.zeros(batch, 1, 40, 40), torch.arange(batch) % 10
    images[:, :, 10:30, 10:30] = torch.rand(batch, 1, 20, 20, generator=generator)
    cached = net.canonical_images(images) if isinstance(net, AffineConvNet) else images

    def step() -> None:
        if isinstance(net, AffineConvNet):
            canonical = cached if "cached" in who else net.canonical_images(images)
            scores = class_scores(net.pose_scores(net.random_phase(canonical)))
        else:
            scores = net(images)
        cross_entropy(scores, labels).backward()
        net.zero_grad(set_to_none=True)

    return net, step


def memory(who: str, rgenn: str | None) -> float:
    """What a step adds to what was there before it, in MB."""
    _, step = step_of(who, rgenn)
    before = peak_memory()
    step()
    return peak_memory() - before


def times(names: list[str], rgenn: str | None) -> dict[str, tuple[int, float]]:
    """Parameters, and CPU seconds of a step: medians of rounds in which all take turns, so that a machine that slows
    down slows all of them."""
    made = {who: step_of(who, rgenn) for who in names}
    taken: dict[str, list[float]] = {who: [] for who in names}
    for count in range(ROUNDS + 1):
        for who, (_, step) in made.items():
            start = time.process_time()
            step()
            if count:
                taken[who].append(time.process_time() - start)
    return {
        who: (sum(p.numel() for p in net.parameters()), statistics.median(taken[who])) for who, (net, _) in made.items()
    }


def section(rgenn: str | None) -> list[dict[str, Any]]:
    peers = [PLAIN, *([AUTHORS] if rgenn else [])]
    found = in_own_process(times, [*OURS, *peers], rgenn)
    rows = []
    for who, (parameters, seconds) in found.items():
        batch = OURS.get(who, 16)
        rows.append(
            {
                "network": who,
                "parameters": parameters,
                "batch": batch,
                "step ms": 1e3 * seconds,
                "ms an image": 1e3 * seconds / batch,
                "MB": in_own_process(memory, who, rgenn),
            }
        )
    by_name = {row["network"]: row for row in rows}
    for row in rows:
        for peer in peers:
            row[f"faster than {peer}"] = by_name[peer]["ms an image"] / row["ms an image"]
            row[f"memory of {peer}"] = row["MB"] / row["batch"] * by_name[peer]["batch"] / by_name[peer]["MB"]
    print_table(
        "training step, 40 x 40 images, one thread",
        rows,
        "faster, memory: for each image; MB: what a step adds; cached: canonical images are kept",
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rgenn", metavar="PATH", help="a checkout of the authors' code, which is timed beside")
    options = parser.parse_args()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}; torch {here['torch']}; load {here['load']}")
    print(f"  -> {save('lie_speed', 'step', section(options.rgenn))}")


if __name__ == "__main__":
    main()
