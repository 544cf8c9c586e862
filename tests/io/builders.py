"""Small captures and scenes, written by hand, for tests to read and to break."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from geokit.geometry import Splats, look_at

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
