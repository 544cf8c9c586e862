"""Five clients that come, move and go for a long time: does the server's memory grow, does anything go wrong?

The clients speak viser's protocol over websockets (tests/viewer/wire_client.py); no browser runs.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from common import ROOT, print_table
from viewer_server import Server, served

CLIENTS, SETTLED, BAR_GROWTH = 5, 120.0, 0.05
_EVERY = 5.0  # seconds between two looks at the memory


class Visitors:
    """Threads that visit the server until they are told to stop."""

    def __init__(self, url: str) -> None:
        self.url, self.visits, self.pictures = url, 0, 0
        self.errors: list[str] = []
        self._end, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(seed,), daemon=True) for seed in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let all leave."""
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._end.is_set():
            try:
                self._visit(chance)
            except Exception as error:
                with self._lock:
                    self.errors.append(f"{type(error).__name__}: {error}")
                time.sleep(1.0)

    def _visit(self, chance: random.Random) -> None:
        from tests.viewer.wire_client import WireClient

        def eye() -> tuple[float, float, float]:
            return chance.uniform(-5, 5), chance.uniform(-6, -3), chance.uniform(0.2, 2)

        client = WireClient(self.url, chance.choice([(320, 240), (480, 360), (640, 480)]), eye())
        end = time.monotonic() + chance.uniform(1.0, 8.0)
        while time.monotonic() < end and not self._end.is_set():
            for _ in range(chance.randrange(5, 40)):
                client.look(eye())
                time.sleep(0.03)
            time.sleep(chance.uniform(0.0, 1.0))
        got = len(client.pictures)
        with self._lock:
            self.visits += 1
            self.pictures += got
            self.errors += client.notes
        client.vanish() if chance.random() < 0.3 else client.close()


def soak_section(minutes: float) -> dict[str, Any]:
    """Memory every few seconds, and what was said on stderr."""
    sys.path.insert(0, str(ROOT))
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr.txt"
        with served(20_000, 1, errors=errors) as server:
            visitors = Visitors(server.url)
            start = time.monotonic()
            while time.monotonic() - start < 60 * minutes and server.alive:
                time.sleep(_EVERY)
                samples.append(_sample(server, time.monotonic() - start))
                if len(samples) % 4 == 0:
                    server.ask("hide" if len(samples) % 8 == 0 else "show")
            visitors.stop()
            frames = server.ask()["frames"] if server.alive else 0
            alive = server.alive
        said = [line for line in errors.read_text().splitlines() if line.strip()]
    settled = [s["MB"] for s in samples if s["seconds"] >= min(SETTLED, 60 * minutes / 3)]
    few = max(1, len(settled) // 8)
    before, after = sum(settled[:few]) / few, sum(settled[-few:]) / few
    growth = after / before - 1
    wrong = visitors.errors + said
    row = {
        "minutes": minutes,
        "visits": visitors.visits,
        "pictures": frames,
        "taken": visitors.pictures,
        "MB settled": before,
        "MB at the end": after,
        "growth %": 100 * growth,
        "threads": int(samples[-1]["threads"]),
        "errors": len(wrong),
        "bar": growth <= BAR_GROWTH and not wrong and alive and visitors.pictures > 0,
    }
    print_table(f"Soak: {CLIENTS} clients over websockets that come, move and go", [row])
    for line in wrong[:20]:
        print(f"  {line}")
    return {"row": row, "samples": samples, "errors": wrong[:100]}


def _sample(server: Server, seconds: float) -> dict[str, float]:
    return {"seconds": seconds, "MB": server.memory, "threads": server.threads}
