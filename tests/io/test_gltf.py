import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh
from geokit.io.shapes import load_shape
from tests.io.builders import glb_bytes, gltf_parts, gltf_triangle, write_photograph

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0]], np.float32)


def read(folder: Path, document: dict, binary: bytes = b"") -> Mesh:
    (folder / "a.glb").write_bytes(glb_bytes(document, binary))
    return load_mesh(folder / "a.glb")


def one_part(arrays: dict[str, np.ndarray], indices: np.ndarray | None = None, **primitive: Any) -> tuple[dict, bytes]:
    part: dict[str, Any] = {"attributes": {name: i for i, name in enumerate(arrays)}, **primitive}
    if indices is not None:
        part["indices"] = len(arrays)
    tables = [*arrays.values(), *([] if indices is None else [indices])]
    return gltf_parts(tables, meshes=[{"primitives": [part]}])


@pytest.mark.parametrize(
    ("mode", "indices", "faces"),
    [
        (4, [0, 1, 2, 1, 3, 2], [[0, 1, 2], [1, 3, 2]]),
        (4, None, None),
        (5, [0, 1, 2, 3, 4], [[0, 1, 2], [2, 1, 3], [2, 3, 4]]),
        (5, [0, 1, 2, 2, 3, 4], [[0, 1, 2], [3, 2, 4]]),
        (6, [0, 1, 3, 2, 4], [[0, 1, 3], [0, 3, 2], [0, 2, 4]]),
    ],
)
def test_lists_strips_and_fans(tmp_path: Path, mode: int, indices: list[int] | None, faces: list | None) -> None:
    for kind in (np.uint8, np.uint16, np.uint32):
        table, order = (POINTS, np.array(indices, kind)) if indices else (POINTS[:3], None)
        mesh = read(tmp_path, *one_part({"POSITION": table}, order, mode=mode))
        assert mesh.faces.tolist() == (faces or [[0, 1, 2]])


def test_nodes_move_turn_and_scale(tmp_path: Path) -> None:
    document, binary = gltf_triangle()
    half = 0.5**0.5
    document["nodes"] = [
        {"children": [1, 2], "translation": [0, 0, 5]},
        {"mesh": 0, "rotation": [0, 0, half, half], "scale": [2, 1, 1]},  # a quarter turn about z
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 7, 0, 0, 1]},  # a mirror
    ]
    mesh = read(tmp_path, document, binary)
    assert torch.allclose(mesh.vertices[:3], torch.tensor([[0.0, 0, 5], [0, 2, 5], [-1, 0, 5]]), atol=1e-6)
    assert mesh.vertices[4].tolist() == [8, 0, 5]
    assert mesh.faces.tolist() == [[0, 1, 2], [3, 5, 4]]


def test_normals_turn_with_their_surface(tmp_path: Path) -> None:
    normals = np.array([[0, 0, 1]] * 3, np.float32)
    document, binary = one_part({"POSITION": POINTS[:3], "NORMAL": normals})
    document["nodes"] = [{"mesh": 0, "matrix": [1, 0, 1, 0, 0, 1, 0, 0, 0, 0, -3, 0, 0, 0, 0, 1]}]  # shears and mirrors
    mesh = read(tmp_path, document, binary)
    assert torch.allclose(mesh.normals, mesh.vertex_normals(), atol=1e-6)


def test_a_mirror_turns_faces_and_normals_alike(tmp_path: Path) -> None:
    """The triangle's normal, reflected in z as a direction, still is the normal of the turned face's front."""
    normals = np.array([[0, 0, 1]] * 3, np.float32)
    document, binary = one_part({"POSITION": POINTS[:3], "NORMAL": normals})
    for diagonal, up in (((-1, 1, 1), 1.0), ((1, 1, -1), -1.0), ((-1, -1, 1), 1.0), ((-1, -1, -1), -1.0)):
        document["nodes"] = [{"mesh": 0, "scale": list(diagonal)}]
        mesh = read(tmp_path, document, binary)
        assert mesh.normals[0, 2] == up
        assert mesh.face_normals()[0, 2] == up


def test_parts_are_joined(tmp_path: Path) -> None:
    document, binary = gltf_triangle()
    document["meshes"][0]["primitives"] *= 2
    document["nodes"] = [{"mesh": 0}, {"mesh": 0, "translation": [3, 0, 0]}, {"camera": 0}]
    document["scenes"] = [{"nodes": [0, 1, 2]}]
    mesh = read(tmp_path, document, binary)
    assert (len(mesh.vertices), len(mesh)) == (12, 4)
    assert mesh.faces[-1].tolist() == [9, 10, 11]


def test_attributes_of_every_type(tmp_path: Path) -> None:
    colors = np.array([[255, 0, 51, 255]] * 3, np.uint8)
    uv = np.array([[0, 0], [65535, 0], [0, 65535]], np.uint16)
    document, binary = one_part({"POSITION": POINTS[:3], "COLOR_0": colors, "TEXCOORD_0": uv})
    document["accessors"][1]["normalized"] = document["accessors"][2]["normalized"] = True
    mesh = read(tmp_path, document, binary)
    assert mesh.colors[0].tolist() == pytest.approx([1, 0, 0.2])
    assert mesh.uv.tolist() == [[[0, 1], [1, 1], [0, 0]]]
    short = (POINTS[:3] * 127).astype(np.int8)
    document, binary = one_part({"POSITION": short})
    document["accessors"][0]["normalized"] = True
    document["extensionsRequired"] = ["KHR_mesh_quantization"]
    assert read(tmp_path, document, binary).vertices.tolist() == POINTS[:3].tolist()


def test_strides_offsets_and_sparse_values(tmp_path: Path) -> None:
    rows = np.zeros(3, np.dtype([("skip", "<f4"), ("at", "<f4", 3), ("more", "<f4", 2)]))
    rows["at"] = POINTS[:3]
    changes = struct.pack("<HH", 2, 0) + struct.pack("<3f", 7, 8, 9)
    binary = rows.tobytes() + changes
    views = [
        {"buffer": 0, "byteLength": rows.nbytes, "byteStride": 24},
        {"buffer": 0, "byteOffset": rows.nbytes, "byteLength": 16},
    ]
    accessor = {"bufferView": 0, "byteOffset": 4, "componentType": 5126, "count": 3, "type": "VEC3"}
    accessor["sparse"] = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 1, "byteOffset": 4},
    }
    document, _ = one_part({"POSITION": POINTS[:3]})
    document |= {"bufferViews": views, "accessors": [accessor], "buffers": [{"byteLength": len(binary)}]}
    assert read(tmp_path, document, binary).vertices.tolist() == [[0, 0, 0], [1, 0, 0], [7, 8, 9]]
    del accessor["bufferView"]  # zeros, then changed
    assert read(tmp_path, document, binary).vertices.tolist() == [[0, 0, 0], [0, 0, 0], [7, 8, 9]]


def test_buffers_beside_the_file_and_inside_it(tmp_path: Path) -> None:
    document, binary = gltf_triangle()
    (tmp_path / "a b.bin").write_bytes(binary)
    embedded = "data:application/gltf-buffer;base64," + base64.b64encode(binary).decode()
    for uri in ("a%20b.bin", "./a b.bin", embedded):
        document["buffers"][0]["uri"] = uri
        (tmp_path / "a.gltf").write_text(json.dumps(document))
        assert len(load_mesh(tmp_path / "a.gltf")) == 1


def test_textures(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png", 6, 4)
    uv = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    document, binary = one_part({"POSITION": POINTS[:3], "TEXCOORD_0": uv}, material=0)
    moved = {"KHR_texture_transform": {"scale": [0.5, 0.5], "offset": [0.25, 0]}}
    texture = {"index": 0, "extensions": moved}
    document["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": texture}}]
    document |= {"textures": [{"source": 0}], "images": [{"uri": "a.png"}]}
    mesh = read(tmp_path, document, binary)
    assert mesh.texture.shape == (4, 6, 3)
    assert mesh.uv.tolist() == [[[0.25, 1], [0.75, 1], [0.25, 0.5]]]
    document["images"] = [{"uri": "../a.png"}]
    with pytest.warns(UserWarning, match="leaves the capture folder"):
        assert read(tmp_path, document, binary).texture is None
    document["images"] = [{"bufferView": 0}]
    with pytest.warns(UserWarning, match="no picture that can be read"):
        assert read(tmp_path, document, binary).texture is None


def test_points_alone(tmp_path: Path) -> None:
    document, binary = one_part({"POSITION": POINTS}, mode=0)
    (tmp_path / "a.glb").write_bytes(glb_bytes(document, binary))
    assert isinstance(load_shape(tmp_path / "a.glb"), PointCloud)


HOSTILE: list[tuple[str, dict, str]] = [
    ("a node that is its own child", {"nodes": [{"mesh": 0, "children": [0]}]}, "reaches node 0 twice"),
    ("a ring of nodes", {"nodes": [{"children": [1]}, {"children": [0]}]}, "reaches node 0 twice"),
    ("a node under two parents", {"nodes": [{"children": [1, 1]}, {"mesh": 0}]}, "reaches node 1 twice"),
    ("a node that is not there", {"nodes": [{"children": [7]}]}, "names nodes 7, but has 1"),
    ("a negative node", {"scenes": [{"nodes": [-1]}]}, "names nodes -1"),
    ("a node by name", {"scenes": [{"nodes": ["a"]}]}, "names nodes 'a'"),
    ("a scene that is not there", {"scene": 4}, "names scenes 4"),
    ("a mesh that is true", {"nodes": [{"mesh": True}]}, "names meshes 'True'"),
    ("no meshes", {"meshes": []}, "names meshes 0, but has 0"),
    ("nothing in the scene", {"nodes": [{}]}, "no triangles in its scene"),
    ("a short matrix", {"nodes": [{"mesh": 0, "matrix": [1, 2]}]}, "matrix is not 16 numbers"),
    ("a matrix of words", {"nodes": [{"mesh": 0, "matrix": ["1"] * 16}]}, "matrix is not 16 numbers"),
    ("an old version", {"asset": {"version": "1.0"}}, "of version '1.0', wanted 2.0"),
    ("no version", {"asset": None}, "wanted 2.0"),
    ("Draco", {"extensionsRequired": ["KHR_draco_mesh_compression"]}, "needs the extension 'KHR_draco_mesh"),
    ("meshopt", {"extensionsRequired": ["EXT_meshopt_compression"]}, "needs the extension 'EXT_meshopt"),
    ("a file on the network", {"buffers": [{"uri": "https://example.com/a.bin", "byteLength": 9}]}, "network"),
    ("a share", {"buffers": [{"uri": "//host/a.bin", "byteLength": 9}]}, "network"),
    ("a file outside", {"buffers": [{"uri": "../../etc/passwd", "byteLength": 9}]}, "leaves the capture folder"),
    ("a file outside, escaped", {"buffers": [{"uri": "%2e%2e/a.bin", "byteLength": 9}]}, "leaves the capture folder"),
    ("a file of the system", {"buffers": [{"uri": "/etc/passwd", "byteLength": 9}]}, "leaves the capture folder"),
    ("a file that is not there", {"buffers": [{"uri": "none.bin", "byteLength": 9}]}, "does not exist"),
    ("damaged base64", {"buffers": [{"uri": "data:;base64,?", "byteLength": 9}]}, "base64 is damaged"),
    ("a buffer that is longer", {"buffers": [{"byteLength": 10**12}]}, "promises 1000000000000 bytes in buffer 0"),
    ("a negative buffer", {"buffers": [{"byteLength": -1}]}, "byteLength '-1'"),
    ("a view that is longer", {"bufferViews": [{"buffer": 0, "byteLength": 999}] * 2}, "bytes 0 to 999 of a buffer of"),
    ("a view far out", {"bufferViews": [{"buffer": 0, "byteOffset": 2**52, "byteLength": 1}] * 2}, "of a buffer of"),
    ("nothing behind a view", {"bufferViews": []}, "names bufferViews 0"),
]


@pytest.mark.parametrize(("changes", "match"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_documents(tmp_path: Path, changes: dict, match: str) -> None:
    document, binary = gltf_triangle()
    with pytest.raises(UnreadableFile, match=match) as caught:
        read(tmp_path, document | changes, binary)
    assert str(tmp_path / "a.glb") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("accessor", "changes", "match"),
    [
        (0, {"count": 4_000_000_000}, "unfolds|promises 4000000000 values"),
        (0, {"count": -1}, "count '-1'"),
        (0, {"count": 2.5}, "count '2.5'"),
        (0, {"count": 4}, "promises 4 values of 12 bytes"),
        (0, {"byteOffset": 1}, "promises 3 values"),
        (0, {"componentType": 5130}, "componentType 5130"),
        (0, {"type": "VEC9"}, "type 'VEC9'"),
        (0, {"type": ["VEC3"]}, "which glTF has not"),
        (0, {"type": "VEC2"}, "has POSITION of 2 numbers, wanted 3"),
        (0, {"bufferView": None, "count": 10**9}, "unfolds"),
        (0, {"bufferView": 99}, "names bufferViews 99"),
        (0, {"sparse": {"count": 1}}, "sparse accessor without indices"),
        (1, {"componentType": 5126, "count": 1}, "indices that are no whole numbers"),
        (1, {"count": 2}, "has 2 corners of triangles, no multiple of three"),
        (1, {"byteOffset": 4, "count": 3}, "promises 3 values"),
    ],
)
def test_hostile_accessors(tmp_path: Path, accessor: int, changes: dict, match: str) -> None:
    document, binary = gltf_triangle()
    document["accessors"][accessor] |= changes
    with pytest.raises(UnreadableFile, match=match):
        read(tmp_path, document, binary)


def test_indices_out_of_range_and_parts_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="names the vertex 5, but there are 5"):
        read(tmp_path, *one_part({"POSITION": POINTS}, np.array([0, 1, 5], np.uint8)))
    with pytest.raises(UnreadableFile, match="has 5 positions but 3 of NORMAL"):
        read(tmp_path, *one_part({"POSITION": POINTS, "NORMAL": POINTS[:3]}, np.array([0, 1, 2], np.uint8)))
    document, binary = gltf_triangle()
    document["meshes"][0]["primitives"][0]["attributes"] = {}
    with pytest.raises(UnreadableFile, match="without POSITION"):
        read(tmp_path, document, binary)


def test_instances_that_would_fill_the_memory(tmp_path: Path) -> None:
    """100,000 nodes of one mesh of 10,000 vertices: a small file, 12 GB of vertices."""
    document, binary = one_part({"POSITION": np.zeros((9999, 3), np.float32)})
    document["nodes"] = [{"mesh": 0}] * 100_000
    document["scenes"] = [{"nodes": list(range(100_000))}]
    with pytest.raises(UnreadableFile, match="unfolds"):
        read(tmp_path, document, binary)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"glTF", "too few for a .glb"),
        (struct.pack("<4sIIII", b"glTF", 1, 20, 0, 0), "version 1, wanted 2"),
        (glb_bytes({})[:-1], "says that it has 24 bytes but has 23"),
        (struct.pack("<4sIII4s", b"glTF", 2, 24, 99, b"JSON") + b"{}  ", "a chunk b'JSON' at byte 12 that promises 99"),
        (struct.pack("<4sIII4s", b"glTF", 2, 24, 4, b"BIN\0") + b"{}  ", "no whole JSON chunk first"),
        (struct.pack("<4sIII4s", b"glTF", 2, 26, 4, b"JSON") + b"{}    ", "bytes behind its last chunk"),
        (b"[" * 100_000, "nested too deeply|too many values"),
        (b'{"a":' * 50_000, "nested too deeply|too many values"),
        (b"[[],[]," * 2_000_000 + b"[]]", "too many values in its JSON"),
        (b"[1]", "its JSON is no object"),
        (b"\xff\xfe{", "no readable JSON"),
        (b'{"asset":{"version":"2.0"},"n":' + b"9" * 10_000 + b"}", "no readable JSON"),
        (b"", "no readable JSON"),
    ],
)
def test_broken_containers(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.gltf").write_bytes(content)
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_mesh(tmp_path / "a.gltf")
    assert "\n" not in str(caught.value)
