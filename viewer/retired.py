"""Nodes that leave the scene a moment later, when the browser has unpacked what takes their place."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import viser


class Retired:
    """Groups of nodes, each of which is removed once: after its time, or at once by `now`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: list[list[viser.SceneNodeHandle]] = []

    def later(self, nodes: Sequence[viser.SceneNodeHandle], seconds: float) -> None:
        """Remove nodes, children after their parents in the list, after some seconds."""
        group = list(nodes)
        with self._lock:
            self._groups.append(group)
        timer = threading.Timer(seconds, self._drop, [group])
        timer.daemon = True
        timer.start()

    def now(self) -> None:
        """Remove all that wait."""
        with self._lock:
            groups = list(self._groups)
        for group in groups:
            self._drop(group)

    def hide(self) -> None:
        """Show none of those that wait."""
        with self._lock:
            for group in self._groups:
                for node in group:
                    node.visible = False

    def _drop(self, group: list[viser.SceneNodeHandle]) -> None:
        with self._lock:
            if not any(group is other for other in self._groups):
                return
            self._groups = [other for other in self._groups if other is not group]
            for node in reversed(group):
                node.remove()
