"""Meshes: smooth, flat, unlit or as a wireframe, in their own colours, one colour, or those of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import Bvh, Mesh, ray_cast
from geokit.geometry.render_mesh import CLAY
from geokit.geometry.shading import linear_from_srgb
from geokit.geometry.topology import half_edges
from geokit.io.gltf_write import write_glb

from ..attributes import Attributes
from ..background import Background
from ..colors import from_picker, in_bytes
from ..drawables import Drawable, Segments, Shading, Triangles
from ..frame import ViewFrame, as_array
from ..lines import add_lines
from .layer import Layer, Legend, Pick, box_of

if TYPE_CHECKING:
    import viser

    from ..values_panel import ValuesPanel

_OVERLAP = 0.4  # seconds that the former colours stay
SHADINGS: tuple[Shading, ...] = ("smooth", "flat", "unlit", "wireframe")


class MeshLayer(Layer):
    """A mesh. `paint` replaces its colours by others, one a vertex, with a legend.

    Where it is shown: `turn` (3, 3) turns and scales it about the origin, then `offset` (3,) moves it (world).
    attributes: (V,) numbers by name that came with the file. known: (V,) numbers by name that a click tells of.
    """

    kind = "mesh"
    shape: Mesh

    def __init__(
        self,
        name: str,
        shape: Mesh,
        source: Path | None = None,
        attributes: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        super().__init__(name, shape, source)
        self.attributes = dict(attributes or {})
        self.known: dict[str, NDArray[np.float64]] = {}
        self.panel: ValuesPanel | None = None
        self.shading: Shading = "smooth"
        self.own_colors = shape.texture is not None or shape.colors is not None
        self.color = CLAY
        self.turn, self.offset = np.eye(3), np.zeros(3)
        self._painted: NDArray[np.float64] | None = None
        self._legend: Legend | None = None
        self._lines: dict[str, Segments] = {}
        self._box: tuple[Mesh, bytes, NDArray[np.float64]] | None = None
        self._turns = count()

    @cached_property
    def _bvh(self) -> Bvh | None:
        return Bvh(self.shape.to(torch.float64)) if len(self.shape) else None

    def replace(self, shape: Mesh) -> None:
        """Show another mesh; colours painted on the vertices stay where there are as many."""
        self.__dict__.pop("_bvh", None)
        self._lines, self.known = {}, {}
        if self._painted is not None and len(shape.vertices) != len(self._painted):
            self._painted = self._legend = None
        super().replace(shape)

    def paint(
        self,
        colors: NDArray[np.float64] | None,
        legend: Legend | None = None,
        lines: Mapping[str, Segments] | None = None,
    ) -> None:
        """Colours (V, 3), sRGB in [0, 1], instead of the mesh's own; None takes them away.

        lines: drawn with it, by name, where the vertices are without the offset.
        """
        self._painted, self._legend, self._lines = colors, legend, dict(lines or {})
        self.redraw(_OVERLAP)

    def lines(self) -> dict[str, Segments]:
        """The lines that are drawn with the mesh, where they are shown."""
        return {name: replace(some, ends=self.placed(some.ends)) for name, some in self._lines.items()}

    def legend(self) -> Legend | None:
        """Of the painted colours."""
        return self._legend

    def bounds(self) -> NDArray[np.float64]:
        """The box around the vertices where they are shown; kept until they are others or stand elsewhere."""
        stand = self.turn.tobytes() + self.offset.tobytes()
        if self._box is None or self._box[0] is not self.shape or self._box[1] != stand:
            self._box = self.shape, stand, box_of(self.placed(self.shape.vertices))
        return self._box[2].copy()

    def placed(self, places: Tensor | NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the mesh (..., 3) where they are shown."""
        return as_array(places) @ self.turn.T + self.offset

    def own_places(self, places: Tensor | NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the world (..., 3) in the mesh's own coordinates: what `placed` takes back."""
        return (as_array(places) - self.offset) @ np.linalg.inv(self.turn).T

    @property
    def scale(self) -> float:
        """How many times larger than it is the mesh is shown."""
        return float(np.linalg.det(self.turn)) ** (1 / 3)

    @property
    def _aside(self) -> bool:
        """Whether it is shown elsewhere than its vertices are."""
        return bool(self.offset.any() or (self.turn != np.eye(3)).any())

    def turned(self, matrix: NDArray[np.float64]) -> Attributes:
        """The moved mesh, shown where it was shown, moved."""
        follows = super().turned(matrix)
        if self._aside:
            rotation, shift = matrix[:3, :3], matrix[:3, 3]
            turn = rotation @ self.turn @ rotation.T
            follows |= {"turn": turn, "offset": rotation @ self.offset + shift - turn @ shift}
        return follows

    def stands_as(self, then: Layer) -> bool:
        """Whether shape and place are still those of a copy."""
        if not (isinstance(then, MeshLayer) and super().stands_as(then)):
            return False
        return np.array_equal(self.turn, then.turn) and np.array_equal(self.offset, then.offset)

    def shown(self) -> Mesh:
        """The mesh with the colours that are shown, where it is shown."""
        mesh = self.shape.to(torch.float64)
        if self._aside:
            turn = torch.from_numpy(self.turn / self.scale)
            normals = None if mesh.normals is None else mesh.normals @ turn.T
            mesh = mesh.replace(vertices=torch.from_numpy(self.placed(mesh.vertices)), normals=normals)
        if self._painted is not None:
            return mesh.replace(colors=torch.from_numpy(self._painted), uv=None, texture=None)
        if self.own_colors and (mesh.texture is not None or mesh.colors is not None):
            return mesh
        plain = torch.tensor(self.color, dtype=torch.float64).expand(len(mesh.vertices), 3)
        return mesh.replace(colors=plain, uv=None, texture=None)

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """A wireframe of lines, or a .glb; then the lines on it."""
        root = f"/{self.name}/{next(self._turns)}"
        lines = {name: some for name, some in self.lines().items() if len(some.ends)}
        made = [add_lines(scene, f"{root} {name}", some, frame) for name, some in lines.items()]
        return [*self._surface(scene, frame, root), *made]

    def _surface(self, scene: viser.SceneApi, frame: ViewFrame, name: str) -> list[Any]:
        mesh = self.shown()
        view = frame.to_view(mesh.vertices)
        if not len(mesh):
            return []
        if self.shading == "wireframe" and self._painted is not None:
            edges = half_edges(mesh.faces).edges.numpy()
            ends, colors = mesh.vertices.numpy()[edges], self._painted[edges].mean(1)
            return [add_lines(scene, name, Segments(ends, colors, 1.0), frame)]
        if self.shading == "wireframe":
            return [scene.add_mesh_simple(name, view, mesh.faces.numpy(), color=in_bytes(self.color), wireframe=True)]
        mesh = mesh.replace(vertices=torch.from_numpy(view).double())
        normals = mesh.vertex_normals() if mesh.normals is None else mesh.normals
        mesh = mesh.replace(normals=None if self.shading == "flat" else normals)
        if mesh.colors is not None:
            mesh = mesh.replace(colors=linear_from_srgb(mesh.colors))  # as glTF wants them
        content = write_glb(mesh, unlit=self.shading == "unlit")
        return [scene.add_glb(name, content, cast_shadow=False, receive_shadow=False)]

    def drawables(self) -> list[Drawable]:
        """The triangles as they are shown."""
        mesh = self.shown()
        fields: dict[str, Any] = {name: t.detach().cpu().numpy() for name, t in mesh.tensors().items()}
        if "colors" not in fields:
            fields["colors"] = np.tile(np.asarray(self.color, np.float64), (len(fields["vertices"]), 1))
        return [Triangles(**fields, shading=self.shading), *self.lines().values()]

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """How it is shaded and coloured."""
        shading = gui.add_dropdown("Shading", SHADINGS, initial_value=self.shading)
        own = gui.add_checkbox("Its own colours", self.own_colors) if self.own_colors else None
        color = gui.add_rgb("Colour", in_bytes(self.color))

        @viewer.guarded(shading, own, color)
        def _(_: Any) -> None:
            before = self._look()
            self.shading = shading.value
            self.own_colors = own is not None and own.value
            self.color = from_picker(color.value, self.color)
            if self._look() != before:
                self.redraw()

        from ..values_panel import ValuesPanel  # with all that it can compute

        self.panel = ValuesPanel(self, gui, viewer)
        hint = "a plane that shows how far places are from this mesh"
        cut = gui.add_button("Add a slice of distances", color="gray", hint=hint)

        work = Background(viewer, every=True)

        @viewer.guarded(cut)
        def _(event: Any) -> None:
            from ..values import DistanceTo
            from .slice import SliceLayer

            now, mesh = copy(self), self.shown()

            def made() -> SliceLayer:
                layer = SliceLayer(f"{self.name} slice", DistanceTo(mesh))
                layer.picture()  # so that its values are there when it is drawn
                return layer

            def show(layer: SliceLayer) -> None:
                if viewer.layers.get(self.name) is not self or not self.stands_as(now):
                    raise InvalidInput(f"{self.name} changed while its slice was computed; add the slice again")
                viewer.add(layer)

            work.ask(f"a slice of distances to {self.name}", made, show, event.client)

        self.slicing = work

    def _look(self) -> tuple[Any, ...]:
        """What the drawn surface depends on, of what the controls say."""
        plain = self._painted is None and (self.shading == "wireframe" or not self.own_colors)
        return self.shading, self.own_colors, self.color if plain else None

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The face that the ray meets first."""
        if self._bvh is None:
            return None
        back = np.linalg.inv(self.turn)
        start, along = back @ (origin - self.offset), back @ direction
        shrunk = float(np.linalg.norm(along))
        hit = ray_cast(self._bvh, torch.from_numpy(start)[None], torch.from_numpy(along / shrunk)[None])
        if int(hit.face_ids[0]) < 0:
            return None
        distance, face = float(hit.t[0]) / shrunk, int(hit.face_ids[0])
        a, b, c = (float(w) for w in hit.barycentrics[0])
        pick = Pick(self, origin + distance * direction, distance, face, (a, b, c))
        return replace(pick, values=self.told(pick))

    def nearest_vertex(self, pick: Pick) -> int | None:
        """The corner of the picked face that is nearest to the place; None where no face was picked."""
        if pick.element < 0 or pick.weights is None:
            return None
        return int(self.shape.faces[pick.element][int(np.argmax(pick.weights))])

    def place_of(self, vertex: int) -> NDArray[np.float64]:
        """(3,) where a vertex is shown, in the world."""
        return self.placed(self.shape.vertices[vertex])

    def told(self, pick: Pick) -> dict[str, str]:
        """Face, vertex, and the values there that have been computed."""
        vertex = self.nearest_vertex(pick)
        if vertex is None:
            return pick.values
        known = {name: f"{float(numbers[vertex]):.6g}" for name, numbers in self.known.items()}
        return {"face": f"{pick.element:,}", "vertex": f"{vertex:,}", **known}

    def elements(self) -> NDArray[np.float64]:
        """The middles of the faces."""
        return self.placed(self.shape.corners.double().mean(1))

    def kept(self, mask: NDArray[np.bool_]) -> Mesh:
        """The faces of `mask` and the vertices that they have."""
        chosen = torch.from_numpy(mask)
        faces = self.shape.faces[chosen]
        used, renumbered = torch.unique(faces, return_inverse=True)
        of_vertices = {name: t[used] for name, t in self.shape.tensors().items() if name in _OF_VERTICES}
        uv = None if self.shape.uv is None else self.shape.uv[chosen]
        return self.shape.replace(faces=renumbered.reshape(-1, 3), uv=uv, **of_vertices)


_OF_VERTICES = ("vertices", "normals", "colors")
