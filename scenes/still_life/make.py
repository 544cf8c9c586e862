"""Makes the still life capture: renders its views and writes transforms.json, images/ and points.ply.

    python scenes/still_life/make.py                              # the bundled capture
    python scenes/still_life/make.py --smooth --output out/plain    # the control without periodic detail
    python scenes/still_life/make.py --check                      # do the written poses agree with the pictures?

Needs `pip install mitsuba pillow` and a recent LLVM library (Debian: libllvm19 or newer; if another version is found
first, DRJIT_LIBLLVM_PATH names the file). Everything is seeded.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import mitsuba as mi
import numpy as np
from PIL import Image

mi.set_variant("llvm_ad_rgb")  # before anything of the scene is made
from objects import build  # noqa: E402

HERE = Path(__file__).resolve().parent
FIELD_OF_VIEW = np.radians(42)  # horizontal
TARGET = np.array([0.0, 0.0, 0.26])
DISTANCE = 3.45
TEST_VIEWS = 8
PASS_SAMPLES = 30  # a view is the mean of passes of this size; each is stratified by itself


def look_at(azimuth, elevation, distance):
    """Camera to world, OpenGL axes: x right, y up, z back."""
    back = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, TARGET + distance * back], axis=-1)
    return pose


def cameras(views):
    """Training poses on three rings all round, and test poses in the gaps between the rings."""
    rng = np.random.default_rng(0)
    counts = np.round(views * np.array([0.42, 0.33, 0.25])).astype(int)
    counts[0] += views - counts.sum()
    train = []
    for ring, (count, elevation) in enumerate(zip(counts, np.radians([20, 36, 53]), strict=True)):
        for i in range(count):
            azimuth = 2 * np.pi * (i + ring / 3 + rng.uniform(-0.15, 0.15)) / count
            train.append(look_at(azimuth, elevation + rng.uniform(-0.035, 0.035), DISTANCE * rng.uniform(0.95, 1.05)))
    test = []
    for i in range(TEST_VIEWS):
        azimuth = 2 * np.pi * (i + 0.4) / TEST_VIEWS
        test.append(look_at(azimuth, np.radians([27, 44][i % 2]), DISTANCE * rng.uniform(0.97, 1.03)))
    return {f"train_{i:03d}": p for i, p in enumerate(train)} | {f"test_{i:03d}": p for i, p in enumerate(test)}


def intrinsics(width, height):
    focal = width / 2 / np.tan(FIELD_OF_VIEW / 2)
    return {"camera_model": "PINHOLE", "fl_x": focal, "fl_y": focal, "cx": width / 2, "cy": height / 2,
            "w": width, "h": height}


def sensor(pose, width, height):
    to_world = pose @ np.diag([-1.0, 1.0, -1.0, 1.0])  # Mitsuba looks along +z and has x to the left
    return mi.load_dict({
        "type": "perspective", "fov": float(np.degrees(FIELD_OF_VIEW)), "fov_axis": "x",
        "near_clip": 0.05, "far_clip": 50.0, "to_world": mi.ScalarTransform4f(to_world),
        "film": {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "gaussian"},
                 "pixel_format": "rgb", "component_format": "float32"},
        "sampler": {"type": "multijitter", "sample_count": PASS_SAMPLES},
    })


def render(scene, camera, samples, seed):
    """Display colours (H, W, 3) in [0, 1]: linear radiance under the sRGB curve."""
    passes = -(-samples // PASS_SAMPLES)
    image = sum(np.array(mi.render(scene, sensor=camera, spp=min(samples, PASS_SAMPLES), seed=seed * 1000 + i))
                for i in range(passes)) / passes
    image = np.clip(image, 0, 1)
    return np.where(image <= 0.0031308, 12.92 * image, 1.055 * image ** (1 / 2.4) - 0.055)


def cast(scene, pose, width, height, pixels):
    """The surface points seen at pixel positions (n, 2), where pixel centres are at +0.5.

    NaN where a ray slips through the hair-thin seam between floor and wall.
    """
    focal = width / 2 / np.tan(FIELD_OF_VIEW / 2)
    local = np.stack([(pixels[:, 0] - width / 2) / focal, -(pixels[:, 1] - height / 2) / focal,
                      -np.ones(len(pixels))], -1)
    world = local / np.linalg.norm(local, axis=-1, keepdims=True) @ pose[:3, :3].T
    hit = scene.ray_intersect(mi.Ray3f(mi.Point3f(*pose[:3, 3].tolist()), mi.Vector3f(world.T.astype(np.float32))))
    return np.where(np.array(hit.is_valid())[:, None], np.array(hit.p).T, np.nan)


def sample_points(scene, poses, pictures, total, rng):
    """Surface points at random pixels, more of them where the picture has texture, as features would be."""
    points, colours = [], []
    for name, pose in poses.items():
        picture = pictures[name]
        height, width = picture.shape[:2]
        gy, gx = np.gradient(picture.mean(-1))
        weight = np.hypot(gx, gy) + 0.01
        chosen = rng.choice(weight.size, -(-total // len(poses)), replace=False, p=(weight / weight.sum()).ravel())
        y, x = np.divmod(chosen, width)
        points.append(cast(scene, pose, width, height, np.stack([x, y], -1) + 0.5))
        colours.append(picture[y, x])
    points, colours = np.concatenate(points), np.concatenate(colours)
    found = np.isfinite(points).all(-1)
    return points[found][:total], colours[found][:total]


def write_ply(path, points, colours):
    vertex = np.empty(len(points), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertex["xyz"], vertex["rgb"] = points, np.round(255 * colours)
    names = "".join(f"property float {c}\n" for c in "xyz")
    names += "".join(f"property uchar {c}\n" for c in ("red", "green", "blue"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{names}end_header\n"
    path.write_bytes(header.encode() + vertex.tobytes())


def project(points, transform_matrix, meta):
    """Pixel positions (n, 2) by the OpenCV convention that geokit's Cameras use."""
    world_to_camera = np.linalg.inv(np.array(transform_matrix) @ np.diag([1.0, -1.0, -1.0, 1.0]))
    x, y, z = (points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]).T
    return np.stack([meta["fl_x"] * x / z + meta["cx"], meta["fl_y"] * y / z + meta["cy"]], -1)


def check(scene, output):
    """Casts rays from each written view, projects the hits into the next one and compares the colours there."""
    meta = json.loads((output / "transforms.json").read_text())
    frames = {f["file_path"]: f for f in meta["frames"]}
    pictures = {p: np.asarray(Image.open(output / p), float) / 255 for p in frames}
    rng, width, height = np.random.default_rng(1), meta["w"], meta["h"]
    same, shifted, offset = [], [], []
    for a, b in pairwise(frames):
        pixels = np.stack([rng.integers(0, width, 2000), rng.integers(0, height, 2000)], -1)
        pose_a, pose_b = (np.array(frames[n]["transform_matrix"]) for n in (a, b))
        points = cast(scene, pose_a, width, height, pixels + 0.5)
        offset.append(np.nanmax(np.abs(project(points, pose_a, meta) - pixels - 0.5)))
        there = project(points, pose_b, meta)
        inside = ((there > 2) & (there < [width - 2, height - 2])).all(-1)
        seen = cast(scene, pose_b, width, height, there)
        inside &= np.linalg.norm(seen - points, axis=-1) < 0.01  # not hidden in the other view
        colour = pictures[a][pixels[:, 1], pixels[:, 0]]
        for result, shift in ((same, 0.0), (shifted, 2.0)):
            x, y = (there[inside] + shift - 0.5).T
            i, j = x.astype(int).clip(0, width - 2), y.astype(int).clip(0, height - 2)
            fx, fy = (x - i)[:, None], (y - j)[:, None]
            p = pictures[b]
            value = ((1 - fy) * ((1 - fx) * p[j, i] + fx * p[j, i + 1])
                     + fy * ((1 - fx) * p[j + 1, i] + fx * p[j + 1, i + 1]))
            result.append(np.abs(value - colour[inside]).mean())
    print(f"pose check: own pixels return within {max(offset):.4f} px; mean colour difference in the next view "
          f"{np.mean(same):.4f}, and {np.mean(shifted):.4f} if its pixels are shifted by (2, 2)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE)
    parser.add_argument("--spp", type=int, default=60, help="samples per pixel")
    parser.add_argument("--size", type=int, nargs=2, default=(400, 300), metavar=("W", "H"))
    parser.add_argument("--views", type=int, default=48, help="training views; test views are always 8")
    parser.add_argument("--smooth", action="store_true", help="replace the periodic textures by smooth ones")
    parser.add_argument("--check", action="store_true", help="only check the capture in --output")
    parser.add_argument("--noise", action="store_true", help="only measure one view's noise, from two seeds")
    options = parser.parse_args()

    start = time.time()
    scene = mi.load_dict(build(options.smooth))
    if options.check:
        check(scene, options.output)
        return
    width, height = options.size
    poses = cameras(options.views)
    if options.noise:
        camera = sensor(poses["test_000"], width, height)
        a, b = (render(scene, camera, options.spp, seed) for seed in (1, 2))
        print(f"noise: sigma {(a - b).std() / np.sqrt(2):.4f} at {options.spp} samples, {time.time() - start:.0f} s")
        return

    images = options.output / "images"
    images.mkdir(parents=True, exist_ok=True)
    pictures, frames = {}, []
    for seed, (name, pose) in enumerate(poses.items()):
        pictures[name] = render(scene, sensor(pose, width, height), options.spp, seed)
        picture = Image.fromarray(np.round(255 * pictures[name]).astype(np.uint8))
        picture.save(images / f"{name}.jpg", quality=94, subsampling=0, optimize=True)
        frames.append({"file_path": f"images/{name}.jpg", "transform_matrix": pose.tolist()})
        print(f"{name} after {time.time() - start:.0f} s", flush=True)

    training = {name: pose for name, pose in poses.items() if name.startswith("train")}
    rng = np.random.default_rng(2)
    points, colours = sample_points(scene, training, pictures, 9000, rng)
    points += rng.normal(0, 0.002 * DISTANCE, points.shape)  # structure from motion is not exact either
    write_ply(options.output / "points.ply", points, colours)
    paths = [f["file_path"] for f in frames]
    meta = intrinsics(width, height) | {
        "ply_file_path": "points.ply",
        "train_filenames": [p for p in paths if "train" in p],
        "test_filenames": [p for p in paths if "test" in p],
        "frames": frames,
    }
    (options.output / "transforms.json").write_text(json.dumps(meta, indent=1) + "\n")


if __name__ == "__main__":
    main()
