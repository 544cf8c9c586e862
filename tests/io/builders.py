"""Small captures and scenes, written by hand, for tests to read and to break."""

import base64
import json
import math
import struct
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from geokit.geometry import PointCloud, Splats, look_at
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import save_mesh
from geokit.io.point_clouds import POINT_ENDINGS, save_points
from geokit.io.splat_files import save_splats

WIDTH, HEIGHT, FOCAL = 32, 24, 30.0


def write_photograph(path: Path, width: int = WIDTH, height: int = HEIGHT, mode: str = "RGB", seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, len(mode)), np.uint8)
    Image.fromarray(pixels).save(path)


def ring(count: int) -> torch.Tensor:
    """(count, 4, 4) world-to-camera matrices of cameras on a circle that look at the origin."""
    angle = torch.arange(count, dtype=torch.float64) * 2 * math.pi / max(count, 1)
    eyes = torch.stack([4 * angle.cos(), 0.5 * (3 * angle).sin(), 4 * angle.sin()], dim=1)
    return look_at(eyes, torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))


def opengl(world_to_camera: torch.Tensor) -> list[list[float]]:
    """The camera-to-world matrix with OpenGL axes, as nerfstudio and Blender write it."""
    pose = torch.linalg.inv(world_to_camera)
    pose[:3, 1:3] *= -1
    return pose.tolist()


def write_nerfstudio(folder: Path, count: int = 5, mode: str = "RGB", **changes: object) -> dict:
    """A transforms.json and its photographs; returns the JSON object. changes: top-level keys (None removes one)."""
    frames = []
    for i, pose in enumerate(ring(count)):
        name = f"images/{i:03d}.png"
        write_photograph(folder / name, mode=mode, seed=i)
        frames.append({"file_path": name, "transform_matrix": opengl(pose)})
    top = {"w": WIDTH, "h": HEIGHT, "fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, "frames": frames}
    top |= changes
    return rewrite(folder, {key: value for key, value in top.items() if value is not None})


def rewrite(folder: Path, top: dict, name: str = "transforms.json") -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(top))
    return top


def write_blender(folder: Path, train: int = 4, test: int = 2) -> None:
    poses = ring(train + test)
    for split, chosen in (("train", range(train)), ("test", range(train, train + test)), ("val", range(1))):
        frames = []
        for i in chosen:
            name = f"./{split}/r_{i}"
            write_photograph(folder / f"{name}.png", mode="RGBA", seed=i)
            frames.append({"file_path": name, "transform_matrix": opengl(poses[i])})
        rewrite(folder, {"camera_angle_x": 0.9, "frames": frames}, f"transforms_{split}.json")


def write_colmap(
    folder: Path, count: int = 5, camera: str = f"PINHOLE {WIDTH} {HEIGHT} 30 31 16 12", binary: bool = True
) -> None:
    """A COLMAP model in sparse/0 with three points, and its photographs."""
    text = folder / ("text" if binary else "sparse/0")
    text.mkdir(parents=True)
    (text / "cameras.txt").write_text(f"# cameras\n1 {camera}\n")
    lines = []
    for i, pose in enumerate(ring(count)):
        w, x, y, z = quaternion(pose[:3, :3])
        t = pose[:3, 3].tolist()
        write_photograph(folder / "images" / f"{i:03d}.png", seed=i)
        lines += [f"{i + 1} {w} {x} {y} {z} {t[0]} {t[1]} {t[2]} 1 {i:03d}.png", "1.5 2.5 1 3 4 -1 5 6 2 7 8 3"]
    (text / "images.txt").write_text("# images\n" + "\n".join(lines) + "\n")
    tracks = [" ".join(f"{i + 1} {place}" for i in range(count)) for place in (0, 2, 3)]
    rows = [f"{i + 1} {0.1 * i} {-0.2 * i} 0.3 255 {i} 0 0.5 {track}" for i, track in enumerate(tracks)]
    (text / "points3D.txt").write_text("\n".join(rows) + "\n")
    if binary:
        import pycolmap

        model = folder / "sparse" / "0"
        model.mkdir(parents=True)
        pycolmap.Reconstruction(str(text)).write_binary(str(model))


def quaternion(rotation: torch.Tensor) -> list[float]:
    """(w, x, y, z) of a rotation matrix, from the largest entry of the 4x4 matrix of products."""
    r = rotation
    squares = torch.stack(
        [1 + r.trace(), 1 + 2 * r[0, 0] - r.trace(), 1 + 2 * r[1, 1] - r.trace(), 1 + 2 * r[2, 2] - r.trace()]
    )
    rows = torch.tensor(
        [
            [squares[0], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], squares[1], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], squares[2], r[1, 2] + r[2, 1]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], squares[3]],
        ]
    )
    row = rows[squares.argmax()]
    return (row / row.norm()).tolist()


def random_splats(count: int = 7, degree: int = 3, waves: int = 0, per_channel: bool = False, seed: int = 0) -> Splats:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g)

    weights = (count, waves, 2, 3) if per_channel else (count, waves, 2)
    return Splats(
        normal(count, 3),
        normal(count, 4),
        normal(count, 3) - 3,
        normal(count),
        0.3 * normal(count, (degree + 1) ** 2, 3),
        normal(count, waves, 3),
        normal(*weights),
    )


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[float, str, bytes]]:
    kinds = st.sampled_from(["replace", "insert", "delete", "cut"])
    telling = st.sampled_from([b"\xff" * 4, b"\0" * 4, b"-1", b"999999999", b"nan"])
    chunk = st.one_of(st.binary(min_size=1, max_size=8), telling)
    return draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), kinds, chunk), min_size=1, max_size=4))


def mutate(content: bytes, steps: list[tuple[float, str, bytes]]) -> bytes:
    data = bytearray(content)
    for where, kind, chunk in steps:
        place = int(where * len(data))
        if kind == "replace":
            data[place : place + len(chunk)] = chunk
        elif kind == "insert":
            data[place:place] = chunk
        elif kind == "delete":
            del data[place : place + len(chunk)]
        else:
            del data[place:]
    return bytes(data)


def tetrahedron(uv: bool = False, texture: bool = False, colors: bool = False, normals: bool = False) -> Mesh:
    """Four vertices and four faces that look outward."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    mesh = Mesh(vertices, faces)
    g = torch.Generator().manual_seed(0)
    return mesh.replace(
        normals=mesh.vertex_normals() if normals else None,
        colors=torch.randint(0, 256, (4, 3), generator=g) / 255 if colors else None,
        uv=torch.randint(0, 64, (4, 3, 2), generator=g) / 64 if uv else None,
        texture=torch.randint(0, 256, (5, 4, 3), generator=g) / 255 if texture else None,
    )


def ply_bytes(form: str, lines: list[str], rows: list[tuple[str, tuple]], newline: str = "\n") -> bytes:
    """A .ply of the header `lines` and rows of (struct layout without byte order, values), in any form."""
    head = newline.join(["ply", f"format {form} 1.0", *lines, "end_header", ""]).encode()
    if form == "ascii":
        return head + newline.join(" ".join(map(str, values)) for _, values in rows).encode() + newline.encode()
    order = "<" if "little" in form else ">"
    return head + b"".join(struct.pack(order + layout, *values) for layout, values in rows)


def gltf_parts(arrays: list[np.ndarray], **top: Any) -> tuple[dict, bytes]:
    """The JSON object of a glTF with one accessor an array, and its buffer; top: further keys."""
    codes = {"b": 5120, "B": 5121, "h": 5122, "H": 5123, "I": 5125, "f": 5126}
    kinds = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
    views, accessors, blocks, place = [], [], [], 0
    for array in arrays:
        table = array.reshape(len(array), -1)
        content = np.ascontiguousarray(table).tobytes()
        views.append({"buffer": 0, "byteOffset": place, "byteLength": len(content)})
        code = codes[table.dtype.char]
        accessors.append(
            {"bufferView": len(accessors), "componentType": code, "count": len(table), "type": kinds[table.shape[1]]}
        )
        blocks.append(content + b"\0" * (-len(content) % 4))
        place += len(blocks[-1])
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "buffers": [{"byteLength": place}],
        "bufferViews": views,
        "accessors": accessors,
    }
    return document | top, b"".join(blocks)


def glb_bytes(document: dict, binary: bytes = b"") -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def gltf_triangle(**primitive: Any) -> tuple[dict, bytes]:
    """A glTF of one triangle: accessor 0 its positions, 1 its indices."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    mesh = {"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, **primitive}]}
    return gltf_parts([points, np.array([0, 1, 2], np.uint16)], meshes=[mesh])


def mesh_seeds(folder: Path) -> dict[str, bytes]:
    """Small good files of every format that shapes are read from, by name; folder: where they may be written."""
    seeds: dict[str, bytes] = {}
    full = tetrahedron(uv=True, texture=True, colors=True, normals=True)
    for ending in (".ply", ".obj", ".stl", ".off", ".glb"):
        save_mesh(folder / f"full{ending}", full)
        seeds[f"mesh{ending}"] = (folder / f"full{ending}").read_bytes()
    lines = ["element vertex 4", *(f"property float {n}" for n in "xyz"), "element face 2"]
    lines += ["property uchar red", "property list uchar int vertex_index", "property list uchar float texcoord"]
    corners = [(0.0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1.5, 0)]
    rows = [("3f", c) for c in corners]
    rows += [("BB3iB6f", (9, 3, 0, 1, 2, 6, *range(6))), ("BB4iB8f", (9, 4, 0, 1, 2, 3, 8, *range(8)))]
    for form in ("ascii", "binary_little_endian", "binary_big_endian"):
        seeds[f"polygons_{form}.ply"] = ply_bytes(form, lines, rows)
    strip = [*lines[:4], "element tristrips 1", "property list int int vertex_indices"]
    seeds["strips.ply"] = ply_bytes("binary_big_endian", strip, [*rows[:4], ("8i", (7, 0, 1, 2, 3, -1, 0, 1))])
    grid = ["obj_info num_cols 2", "obj_info num_rows 2", *lines[:4], "element range_grid 4"]
    cells = [("Bi", (1, i)) for i in range(4)]
    seeds["grid.ply"] = ply_bytes("ascii", [*grid, "property list uchar int vertex_indices"], rows[:4] + cells)
    facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"
    seeds["text.stl"] = f"solid a\n{facet}endsolid a\n".encode()
    seeds["colored.off"] = b"COFF\n4 2 0 # counts\n" + b"".join(b"%g %g %g 255 0 9 255\n" % c for c in corners)
    seeds["colored.off"] += b"3 0 1 2 255 0 0\n4 0 1 2 3 7\n"
    obj = "mtllib a.mtl\no one\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 1\nvn 0 0 1\nusemtl m\n"
    seeds["polygons.obj"] = (obj + "f 1/1/1 2/2/1 3/1/1 \\\n 4/2/1\nf -4/-1/-1 -3/-1/-1 -2/-2/-1\nl 1 2\n").encode()
    document, binary = gltf_triangle()
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    seeds["embedded.gltf"] = json.dumps(document).encode()
    return seeds


def shape_seeds(folder: Path) -> dict[str, bytes]:
    """`mesh_seeds`, and small files of splats and points."""
    seeds = mesh_seeds(folder)
    for name, splats in (
        ("g.ply", random_splats(3, 1, 1)),
        ("g.splat", random_splats(3, 0)),
        ("g.spz", random_splats(3, 1)),
    ):
        save_splats(folder / name, splats)
        seeds[name] = (folder / name).read_bytes()
    cloud = PointCloud(torch.rand(5, 3), torch.rand(5, 3), torch.nn.functional.normalize(torch.rand(5, 3), dim=1))
    for ending in POINT_ENDINGS:
        if (ending == ".laz" and find_spec("lazrs") is None) or (
            ending in (".las", ".laz") and find_spec("laspy") is None
        ):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save_points(folder / f"points{ending}", cloud)
        seeds[f"points{ending}"] = (folder / f"points{ending}").read_bytes()
    return seeds
