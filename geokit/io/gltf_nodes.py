"""The tree of nodes of a glTF: which mesh stands where."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from geokit.io.gltf_buffers import Document

_MOVES = {"matrix", "translation", "rotation", "scale"}


def placed_meshes(document: Document) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Every mesh of the scene with the (4, 4) float64 matrix from its own axes to those of the scene.

    A mesh with a skin is not moved by its node (glTF 2.0, section 3.7.3.3). Nodes form trees: one that is reached twice
    is refused.
    """
    nodes = document.top.get("nodes", [])
    if not isinstance(nodes, list):
        document.refuse("has nodes that are no list")
    if not nodes:
        meshes = document.top.get("meshes", [])
        for index in range(len(meshes) if isinstance(meshes, list) else 0):
            yield document.entry("meshes", index), np.eye(4)
        return
    reached = np.zeros(len(nodes), bool)
    still = np.eye(4)
    waiting = [(index, still) for index in _roots(document, nodes)]
    while waiting:
        index, above = waiting.pop()
        node = document.entry("nodes", index)
        if reached[index]:
            document.refuse(f"reaches node {index} twice, but nodes must form trees")
        reached[index] = True
        matrix = above
        if not _MOVES.isdisjoint(node):
            with np.errstate(over="ignore", invalid="ignore"):
                matrix = above @ _matrix(document, node)
        if node.get("mesh") is not None:
            yield document.entry("meshes", node["mesh"]), still if node.get("skin") is not None else matrix
        waiting += [(child, matrix) for child in reversed(_list(document, node, "children"))]


def _roots(document: Document, nodes: list[Any]) -> list[Any]:
    if document.top.get("scenes"):
        scene = document.entry("scenes", document.top.get("scene", 0))
        return list(reversed(_list(document, scene, "nodes")))
    children = {str(child) for node in nodes if isinstance(node, dict) for child in _list(document, node, "children")}
    return [index for index in reversed(range(len(nodes))) if str(index) not in children]


def _list(document: Document, entry: dict[str, Any], key: str) -> list[Any]:
    values = entry.get(key, [])
    if not isinstance(values, list):
        document.refuse(f"has {key} that are no list")
    return values


def _numbers(document: Document, node: dict[str, Any], key: str, count: int, default: list[float]) -> np.ndarray:
    values = node.get(key, default)
    good = isinstance(values, list) and len(values) == count
    if not good or not all(isinstance(v, int | float) and abs(v) < 1e300 for v in values):
        document.refuse(f"has a node whose {key} is not {count} numbers")
    return np.array(values, np.float64)


def _matrix(document: Document, node: dict[str, Any]) -> np.ndarray:
    """The matrix of one node, given as such (by columns) or as translation, rotation (x, y, z, w) and scale."""
    if "matrix" in node:
        return _numbers(document, node, "matrix", 16, []).reshape(4, 4).T
    x, y, z, w = _numbers(document, node, "rotation", 4, [0, 0, 0, 1])
    length = np.sqrt(x * x + y * y + z * z + w * w)
    x, y, z, w = np.array([x, y, z, w]) / length if length > 0 else np.array([0, 0, 0, 1.0])
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * _numbers(document, node, "scale", 3, [1, 1, 1])
    matrix[:3, 3] = _numbers(document, node, "translation", 3, [0, 0, 0])
    return matrix
