"""A viewer in a process of its own, with what measurements need to know of it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

BITS, BLOCK = 16, 8  # of a picture's number, in squares of so many pixels along the first rows


def serve(pipe: Connection, count: int, waves: int, budget: float | None, numbered: bool) -> None:
    """Show `count` splats; answers "facts" and "hide"/"show" until "end"."""
    from geokit.viewer import Viewer, client_stream
    from geokit.viewer.layers.splats import SplatsLayer
    from splatting_scenes import random_scene

    if budget is not None:
        client_stream.BUDGET = budget
    layer = SplatsLayer("splats", random_scene(count, 640, 480, 6.0 if count <= 100_000 else 3.0, waves)[0])
    layer.rendered_by = "geokit"
    with Viewer(port=0) as viewer:
        viewer.add(layer)
        loop = viewer.parts["RenderLoop"]
        drawn: list[dict[str, Any]] = []
        if numbered:
            number_pictures(loop, drawn)
        pipe.send(viewer.url)
        while (asked := pipe.recv()) != "end":
            if asked in ("hide", "show"):
                viewer.show(layer, asked == "show")
            pipe.send({"frames": loop.frames, "drawn": list(drawn), **loop.seconds, "cpu": time.process_time()})


def number_pictures(loop: Any, drawn: list[dict[str, Any]]) -> None:
    """Write a picture's number into it, and note for which camera it was drawn."""
    draw, picture = loop._draw, loop.scene.picture

    def noted(client: Any, stream: Any, step: str, number: int) -> None:
        drawn.append({"position": [float(x) for x in client.camera.position], "step": step})
        draw(client, stream, step, number)

    def with_number(camera: Any, *rest: Any) -> torch.Tensor:
        image = picture(camera, *rest).clone()
        number = len(drawn) - 1
        drawn[-1]["width"] = image.shape[1]
        for bit in range(BITS):
            image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = float(number >> bit & 1)
        return image

    loop._draw, loop.scene.picture = noted, with_number


class Server:
    """The process and what it answers."""

    def __init__(self, pipe: Connection, process: Any, url: str) -> None:
        self._pipe, self._process, self.url = pipe, process, url

    def ask(self, what: str = "facts") -> dict[str, Any]:
        """What the server counted so far."""
        self._pipe.send(what)
        return self._pipe.recv()

    @property
    def memory(self) -> float:
        """Resident size in MB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def threads(self) -> int:
        """Threads of the process."""
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._process.is_alive()


@contextmanager
def served(
    count: int, waves: int = 0, budget: float | None = None, numbered: bool = False, errors: Path | None = None
) -> Iterator[Server]:
    """A server of `count` splats. errors: a file for what it writes to stderr."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `geokit view` does
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_with_errors, args=(errors, there, count, waves, budget, numbered), daemon=True)
    process.start()
    there.close()
    try:
        yield Server(here, process, here.recv())
    finally:
        if process.is_alive():
            here.send("end")
        process.join(timeout=20)
        if process.is_alive():
            process.kill()


def _with_errors(errors: Path | None, *arguments: Any) -> None:
    if errors is not None:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    serve(*arguments)
