"""Digits as sequences of 14 x 14 = 196 steps, in reading order and permuted: causal long convolutions, equal CPU
seconds."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import in_own_process, print_table
from torch import Tensor, nn
from torch.nn import functional as F

from geokit.equivariant.continuous_conv import ContinuousConv1d
from geokit.equivariant.lie.kernels import KERNELS

SECONDS, BATCH, RATE = 40.0, 32, 4e-3
# What the papers say on all 784 steps, with long training: per cent on sMNIST and pMNIST. SMPConv: Kim & Park, CVPR
# 2023. FlexTCN-4: the listing of Romero et al., ICLR 2022, on paperswithcode.com.
PAPERS = {"points": {"in order": 99.75, "permuted": 99.10}, "flexconv": {"permuted": 98.72}}
OPTIONS: dict[str, dict[str, Any]] = {
    "siren": {"omega": 30.0},
    "ckconv": {"omega": 30.0},
    "gabor": {"omega": 20.0, "spread": 10.0},
    "flexconv": {"omega": 30.0, "width": 0.5},
    "points": {},
    "mlp": {},
}


def digits(part: str) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) in [-1, 1] and labels; the first 50,000 train, the next 10,000 choose, the last test."""
    root = Path(os.environ.get("GEOKIT_TEST_DATA", "../shared/data"))
    with np.load(root / "equivariance" / "mnist" / "mnist.npz") as file:
        names = ("x_test", "y_test") if part == "test" else ("x_train", "y_train")
        images, labels = (torch.from_numpy(file[name]) for name in names)
    chosen = {"train": slice(0, 50_000), "validation": slice(50_000, None), "test": slice(None)}[part]
    return images[chosen, None].float() / 127.5 - 1, labels[chosen].long()


class Block(nn.Module):
    """x + mixing(norm(long convolution of each channel))."""

    def __init__(self, channels: int, length: int, kernel: str) -> None:
        super().__init__()
        self.conv = ContinuousConv1d(channels, channels, length, kernel=kernel, depthwise=True, **OPTIONS[kernel])
        self.norm = nn.BatchNorm1d(channels)
        self.up, self.down = nn.Conv1d(channels, 2 * channels, 1), nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.glu(self.up(self.norm(self.conv(x))), 1))


class SequenceNet(nn.Module):
    """Two blocks of causal convolutions as long as the sequence, and the mean over time."""

    def __init__(self, kernel: str, channels: int = 32, length: int = 196) -> None:
        super().__init__()
        self.embed = nn.Conv1d(1, channels, 1)
        self.blocks = nn.Sequential(*(Block(channels, length, kernel) for _ in range(2)))
        self.head = nn.Sequential(nn.BatchNorm1d(channels), nn.Linear(channels, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x)).mean(2))


def trained(
    net: nn.Module, x: Tensor, labels: Tensor, seconds: float, extra: Callable[[], Tensor] | None = None
) -> tuple[float, int]:
    """CPU seconds and steps of Adam on random batches; the rate follows a cosine of the time used."""
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    generator, start, steps = torch.Generator().manual_seed(0), time.process_time(), 0
    net.train()
    while (used := (time.process_time() - start) / seconds) < 1:
        warm = min(1.0, used / 0.05 + 0.05)
        optimizer.param_groups[0]["lr"] = RATE * warm * 0.5 * (1 + np.cos(np.pi * used))
        index = torch.randint(len(x), (BATCH,), generator=generator)
        loss = F.cross_entropy(net(x[index]), labels[index])
        if extra is not None:
            loss = loss + extra()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        steps += 1
    return time.process_time() - start, steps


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Per cent."""
    net.eval()
    right = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(500), labels.split(500)))
    return 100 * right / len(x)


def masks(net: nn.Module) -> str | None:
    """Widths of the learnt masks, in half lengths of the kernel."""
    widths = [m.width.detach().mean().item() for m in net.modules() if hasattr(m, "log_width")]
    return " ".join(f"{w:.2f}" for w in widths) or None


def row(kernel: str, order: str, seconds: float) -> dict[str, Any]:
    (x, labels), (test, test_labels) = digits("train"), digits("test")
    turn = torch.randperm(196, generator=torch.Generator().manual_seed(0)) if order == "permuted" else torch.arange(196)
    x, test = (F.avg_pool2d(images, 2).flatten(2)[..., turn] for images in (x, test))
    torch.manual_seed(0)
    net = SequenceNet(kernel)
    before = masks(net)
    used, steps = trained(net, x, labels, seconds)
    return {
        "kernel": kernel,
        "order": order,
        "parameters": sum(p.numel() for p in net.parameters()),
        "accuracy %": accuracy(net, test, test_labels),
        "steps": steps,
        "CPU s": used,
        "mask before": before,
        "mask after": masks(net),
        "paper, 784 steps": PAPERS.get(kernel, {}).get(order),
    }


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, kernel, order, SECONDS) for order in ("in order", "permuted") for kernel in KERNELS]
    print_table(f"MNIST as 196 steps, two blocks, {SECONDS:.0f} CPU s each, one seed, all 10,000 test digits", rows)
    return rows
