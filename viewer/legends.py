"""The legends of what is shown, above all tabs."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .layers.layer import Legend
from .numbers import ticks

if TYPE_CHECKING:
    from .viewer import Viewer

_STOPS = 33  # of the bar's gradient
_ABOVE = -1.0  # the order of the legends: before the tabs


class Legends:
    """Shows a bar of colours with a title and ticks for every visible layer whose colours stand for numbers."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.shown = viewer.server.gui.add_html("", order=_ABOVE, visible=False)
        viewer.on_change(self._refresh)

    def _refresh(self) -> None:
        with self._viewer.lock:
            found = [(layer.name, layer.legend()) for layer in self._viewer.layers.values() if layer.visible]
            content = "".join(legend_html(name, legend) for name, legend in found if legend is not None)
            if content != self.shown.content:
                self.shown.content = content
            if bool(content) != self.shown.visible:
                self.shown.visible = bool(content)


def legend_html(name: str, legend: Legend) -> str:
    """A legend as a piece of a page. name: of the layer."""
    count = len(legend.colors) - 1
    stops = ",".join(
        "rgb({},{},{})".format(*(round(255 * float(c)) for c in legend.colors[round(i * count / (_STOPS - 1))]))
        for i in range(_STOPS)
    )
    marks = "".join(
        f'<span style="position:absolute;left:{100 * place:.2f}%;transform:translateX(-50%)">{text}</span>'
        for place, text in ticks(legend.low, legend.high)
    )
    return (
        '<div class="geokit-legend" style="padding:0.4em 2.2em 0.35em 2.2em;font-size:0.8em;line-height:1.35">'
        f'<div style="margin:0 -1.4em 0.25em"><b>{html.escape(name)}</b>&ensp;{html.escape(legend.title)}</div>'
        f'<div style="height:0.8em;border-radius:2px;background:linear-gradient(to right,{stops})"></div>'
        f'<div style="position:relative;height:1.5em;font-variant-numeric:tabular-nums">{marks}</div></div>'
    )
