"""Drawables as what the page draws: arrays in view coordinates, colours as bytes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry import Mesh
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.seams import split_seams
from geokit.geometry.silhouettes import mesh_edges
from geokit.io.textures import encode_texture

from ..drawables import Points, Segments, Triangles
from ..frame import ViewFrame
from ..layers.layer import box_of
from .pack import Pack

_EDGE_WIDTH = 1.0  # pixels


def packed_piece(piece: Triangles | Points | Segments, frame: ViewFrame, pack: Pack) -> dict[str, Any]:
    """What the page is told of a piece; its arrays go into `pack`.

    Places are float32 in view coordinates, relative to a middle of the scene: exact to 1e-7 of its size. Colours are
    bytes, normals 16 bits (an error of 0.002 degrees), textures .png files.
    """
    if isinstance(piece, Triangles):
        return _edges(piece, frame, pack) if piece.shading == "wireframe" else _triangles(piece, frame, pack)
    if isinstance(piece, Points):
        return {
            "kind": "points",
            "places": pack.add(frame.to_view(piece.points)),
            "colors": pack.add(_bytes(piece.colors)),
            "size": piece.size * frame.scale,
        }
    return {
        "kind": "segments",
        "ends": pack.add(frame.to_view(piece.ends)),
        "colors": pack.add(_bytes(piece.colors)),
        "width": piece.width,
    }


def piece_boxes(piece: Triangles | Points | Segments) -> list[NDArray[np.float64]]:
    """The box (2, 3) around a piece, in the world, if there is something: what layers call their bounds may be less."""
    places = (
        piece.vertices if isinstance(piece, Triangles) else piece.points if isinstance(piece, Points) else piece.ends
    )
    return [box_of(places)] if len(places) else []


def _triangles(piece: Triangles, frame: ViewFrame, pack: Pack) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": "triangles", "shading": piece.shading, "opacity": piece.opacity}
    mesh = Mesh(
        torch.from_numpy(np.asarray(piece.vertices, np.float64)),
        torch.from_numpy(np.asarray(piece.faces, np.int64)),
        normals=None if piece.normals is None else torch.from_numpy(np.asarray(piece.normals, np.float64)),
        colors=torch.from_numpy(np.asarray(piece.colors, np.float64)),
    )
    if piece.shading == "smooth" and mesh.normals is None:
        mesh = mesh.replace(normals=mesh.vertex_normals())
    if piece.uv is not None and piece.texture is not None and len(mesh):
        mesh, uv = split_seams(mesh.replace(uv=torch.from_numpy(np.asarray(piece.uv, np.float64))))
        told["uv"] = pack.add(uv.numpy().astype(np.float32))
        told["texture"] = pack.add(np.frombuffer(encode_texture(piece.texture), np.uint8))
    told["places"] = pack.add(frame.to_view(mesh.vertices))
    told["faces"] = pack.add_indices(mesh.faces.numpy())
    assert mesh.colors is not None
    told["colors"] = pack.add(color_bytes(mesh.colors))
    if piece.shading == "smooth" and mesh.normals is not None:
        told["normals"] = pack.add((mesh.normals.numpy() * 32767).round().astype(np.int16))
    return told


def _edges(piece: Triangles, frame: ViewFrame, pack: Pack) -> dict[str, Any]:
    """A wireframe: every edge once, in the mean colour of its ends."""
    edges = mesh_edges(torch.from_numpy(np.asarray(piece.faces, np.int64)))[:, :2].numpy()
    return packed_piece(
        Segments(piece.vertices[edges], piece.colors[edges].mean(1).reshape(-1, 3), _EDGE_WIDTH), frame, pack
    )


def _bytes(colors: NDArray[np.float64]) -> NDArray[np.uint8]:
    return color_bytes(torch.from_numpy(np.ascontiguousarray(colors, np.float64)))
