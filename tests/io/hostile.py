"""What every reader of points promises about a file that somebody broke: a sentence, soon, in little memory."""

import time
import tracemalloc
import warnings
from pathlib import Path

import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.geometry import PointCloud
from geokit.io.point_clouds import load_points

SPARE = 64 << 20


def cloud(count: int = 50, colors: bool = True, normals: bool = True, seed: int = 0, dtype=torch.float32) -> PointCloud:
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(count, 3, generator=g).to(dtype)
    shades = torch.randint(0, 256, (count, 3), generator=g).to(dtype) / 255
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=1).to(dtype)
    return PointCloud(points, shades if colors else None, directions if normals else None)


def refused(path: Path, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_points(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def survives(path: Path, content: bytes) -> None:
    """Any bytes give a cloud or a sentence, within a second and ten times their size."""
    path.write_bytes(content)
    began = time.perf_counter()
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = load_points(path)
        assert torch.isfinite(found.points).all()
        sentence = str(path)
    except UnreadableFile as error:
        sentence = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert str(path) in sentence
    assert "\n" not in sentence
    assert peak < 10 * len(content) + SPARE
    assert time.perf_counter() - began < 5
