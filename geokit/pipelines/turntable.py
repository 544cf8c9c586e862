"""A moving picture of a scene: a smooth closed path through the places where the photographs were taken."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from geokit.errors import InvalidInput
from geokit.geometry import Cameras, look_at
from geokit.geometry.color_bytes import color_bytes
from geokit.io.initial_points import look_at_point
from geokit.io.safe import atomic_write

FRAMES = 48
_WIDEST = 480  # pixels
_FULL_CIRCLE = math.radians(80)  # cameras with no larger gap than this stand all around
_SMOOTHING = math.radians(25)  # how far along the circle neighbouring cameras are averaged
_SECONDS = 4.0


def turntable_cameras(cameras: Cameras, frames: int = FRAMES) -> Cameras:
    """`frames` cameras on a closed path, made from the cameras of the photographs.

    Where most of those look at one common point, the path goes around it (or, where they stand on one side, to and
    fro), at the height and distance of the cameras nearby, so that it stays where the scene was seen. Else, as in a
    panorama, it follows the photographs in the order of their names and back.
    """
    target = look_at_point(cameras)
    ahead = ((target - cameras.centers) * cameras.forwards).sum(1)
    inward = float((ahead > 0.5 * (target - cameras.centers).norm(dim=1)).double().mean()) > 0.8
    poses = _orbit(cameras, target, frames) if inward else _walk(cameras, frames)
    usual = int(torch.tensor([w * h for w, h in cameras.sizes]).median(0).indices)
    width, height = cameras.sizes[usual]
    factor = min(1.0, _WIDEST / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    K = cameras[usual].resized([size]).K.repeat(frames, 1, 1)
    return Cameras(poses, K, (size,) * frames, tuple(f"frame_{i:03d}" for i in range(frames)))


def _orbit(cameras: Cameras, target: Tensor, frames: int) -> Tensor:
    """(frames, 4, 4) poses around `target`."""
    ups = -cameras.world_to_camera[:, 1, :3]
    up = normalize(ups.mean(0) if float(ups.mean(0).norm()) > 1e-3 else ups[0], dim=0)
    arms = cameras.centers - target
    right = normalize(torch.linalg.cross(torch.eye(3, dtype=torch.float64)[int(up.abs().argmin())], up), dim=0)
    toward = torch.linalg.cross(up, right)
    azimuth = torch.atan2(arms @ right, arms @ toward)
    ordered = azimuth.sort().values
    gaps = torch.cat([ordered[1:], ordered[:1] + 2 * math.pi]) - ordered
    time = torch.arange(frames, dtype=torch.float64) * (2 * math.pi / frames)
    if float(gaps.max()) < _FULL_CIRCLE:
        path = ordered[0] + time
    else:
        widest = int(gaps.argmax())
        first, span = ordered[(widest + 1) % len(ordered)], 2 * math.pi - gaps[widest]
        path = first + span * (0.5 - 0.45 * time.cos())
    apart = torch.cos(path[:, None] - azimuth[None]) - 1
    weight = torch.softmax(apart / _SMOOTHING**2, dim=1)
    height, distance = weight @ (arms @ up), (weight @ arms.norm(dim=1).log()).exp()
    height = height.clamp(-0.95 * distance, 0.95 * distance)
    across = (distance.square() - height.square()).sqrt()[:, None]
    eyes = target + across * (path.sin()[:, None] * right + path.cos()[:, None] * toward) + height[:, None] * up
    return look_at(eyes, target, up)


def _walk(cameras: Cameras, frames: int) -> Tensor:
    """(frames, 4, 4) poses along the cameras, in their order, and back."""
    count = len(cameras)
    time = torch.arange(frames, dtype=torch.float64) * (2 * math.pi / frames)
    place = (count - 1) * (0.5 - 0.5 * time.cos())
    width = max(0.5, count / 24)
    weight = torch.softmax(-0.5 * ((place[:, None] - torch.arange(count)) / width) ** 2, dim=1)
    poses = []
    for row in weight:
        eye, forward = row @ cameras.centers, row @ cameras.forwards
        up = -(row @ cameras.world_to_camera[:, 1, :3])
        poses.append(look_at(eye[None], (eye + forward)[None], up)[0])
    return torch.stack(poses)


def check_one_size(sizes: Sequence[tuple[int, int]]) -> None:
    """Raise `InvalidInput` unless there are pictures, all of one (width, height)."""
    different = sorted(set(sizes))
    if len(different) != 1:
        shown = ", ".join(f"{width}x{height}" for width, height in different[:4]) or "none"
        raise InvalidInput(f"a .gif needs pictures of one size, got {shown}; name a folder as the output")


def save_gif(path: Path, pictures: Sequence[Tensor], seconds: float = _SECONDS) -> None:
    """Write (H, W, 3) pictures in [0, 1], or uint8, of one size as an endless .gif, atomically.

    One palette for all, dithered. seconds: of the whole.
    """
    check_one_size([(p.shape[1], p.shape[0]) for p in pictures])
    frames = [Image.fromarray(p.numpy() if p.dtype == torch.uint8 else color_bytes(p)) for p in pictures]
    samples = frames[:: max(1, len(frames) // 8)]
    width, height = frames[0].size
    sheet = Image.new("RGB", (width, height * len(samples)))
    for i, sample in enumerate(samples):
        sheet.paste(sample, (0, i * height))
    palette = sheet.quantize(256, Image.Quantize.MEDIANCUT)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    duration = max(20, round(1000 * seconds / len(frames)))
    with atomic_write(path) as file:
        indexed[0].save(file, "GIF", save_all=True, append_images=indexed[1:], duration=duration, loop=0)
