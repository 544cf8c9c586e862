"""Writing from a GPU: the same bytes as from the CPU."""

import pytest
import torch

from geokit.io import save_mesh, save_points, save_splats
from geokit.io.checkpoints import load_checkpoint, save_checkpoint
from geokit.io.photographs import save_picture
from geokit.io.pictures import save_deep_picture
from geokit.pipelines.camera_files import save_cameras
from tests.geometry.test_devices import CAMERAS, CLOUD, PICTURE, SPLATS, TEXTURED
from tests.reference.devices import on_the_gpu
from tests.reference.pretend_gpu import pretend_gpu

MESH = TEXTURED.to(torch.float32)
FEATURED = CLOUD.replace(features=CLOUD.points[:, :2])
BYTES = (255 * PICTURE).byte()


@pytest.mark.filterwarnings("ignore")  # of what a format cannot hold
@pytest.mark.parametrize(
    ("save", "shape", "ending"),
    [
        *((save_mesh, MESH, ending) for ending in ("ply", "obj", "off", "stl", "glb")),
        *((save_points, FEATURED, ending) for ending in ("ply", "las", "e57", "pcd", "npz", "npy", "xyz", "csv")),
        *((save_splats, SPLATS, ending) for ending in ("ply", "splat", "spz")),
        (save_picture, BYTES, "png"),
        (save_deep_picture, BYTES.to(torch.uint16)[..., :1], "png"),
        (save_cameras, CAMERAS, "json"),
    ],
)
def test_files(save, shape, ending, tmp_path):
    folders = tmp_path / "cpu", tmp_path / "gpu"
    for folder in folders:
        folder.mkdir()
    save(folders[0] / f"file.{ending}", shape)
    with pretend_gpu():
        save(folders[1] / f"file.{ending}", on_the_gpu(shape))
    for written, expected in zip(*(sorted(folder.iterdir()) for folder in reversed(folders))):
        assert (written.name, written.stat().st_size) == (expected.name, expected.stat().st_size)
        assert written.read_bytes() == expected.read_bytes() or ending == "e57"  # which names itself at random


def test_checkpoints(tmp_path):
    tensors = {**SPLATS.tensors(), "steps": torch.arange(3)}
    with pretend_gpu():
        save_checkpoint(tmp_path / "state.safetensors", {name: on_the_gpu(t) for name, t in tensors.items()}, {"a": 1})
    found, metadata = load_checkpoint(tmp_path / "state.safetensors")
    assert metadata == {"a": 1}
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
