"""What tests ask of a page and of its pictures."""

import html
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from geokit.backend.image_ops import ssim as structural_similarity

PATIENCE = 90.0  # seconds; a busy machine is slow, not wrong


def until(condition: Callable[[], Any], otherwise: str, patience: float = PATIENCE) -> Any:
    """Wait for a condition and return what it gave; fails with a sentence."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{otherwise} within {patience:.0f} s")


def read(handle: Any) -> str:
    """What a user reads in a text of the panel."""
    return html.unescape(handle.content)


def started(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """A program that Ctrl+C reaches, with pipes for what it says.

    What a shell has put into the background is told to ignore Ctrl+C, and tells its own children so.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes, **options
    )


def picture(client: Any, width: int = 640, height: int = 480, tries: int = 3) -> np.ndarray:
    """(H, W, 3) in [0, 1]: what the browser itself draws for a client, on white."""
    for _ in range(tries):
        seen = client.get_render(height, width, transport_format="png", timeout=PATIENCE) / 255
    alpha = seen[..., 3:]
    return seen[..., :3] * alpha + 1 - alpha


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The mean structural similarity of two pictures (H, W, 3) in [0, 1], as geokit reports it."""
    return float(structural_similarity(torch.from_numpy(a).float(), torch.from_numpy(b).float()))
