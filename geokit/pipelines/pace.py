"""How fast a job goes, and how long it will take."""

import math
import time
from collections import deque

from geokit.pipelines.observer import Status

_WINDOW = 5.0  # seconds over which the speed is measured


class Speed:
    """Steps a second and the time left, from the last seconds."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, int, float]] = deque()

    def measured(self, status: Status) -> tuple[float, float]:
        """(steps a second, seconds left); infinite while unknown."""
        now = time.monotonic()
        self._past.append((now, status.step, status.progress))
        while len(self._past) > 2 and now - self._past[0][0] > _WINDOW:
            self._past.popleft()
        then, step, progress = self._past[0]
        if now <= then or status.progress <= progress:
            return math.inf, math.inf
        return (status.step - step) / (now - then), (1 - status.progress) * (now - then) / (status.progress - progress)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
