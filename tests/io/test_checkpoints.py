import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.io import load_checkpoint, save_checkpoint

TENSORS = {
    "means": torch.randn(4, 3, generator=torch.Generator().manual_seed(0)),
    "double": torch.tensor([0.1], dtype=torch.float64),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(7),
    "bytes": torch.Generator().manual_seed(1).get_state(),
    "strided": torch.arange(12.0).reshape(3, 4).T,
    "flags": torch.tensor([True, False]),
}
METADATA = {"step": 3, "name": "Füchse", "nested": {"list": [1, 2.5, None, True]}}


def test_round_trip_is_exact(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", TENSORS, METADATA)
    tensors, metadata = load_checkpoint(tmp_path / "c.safetensors")
    assert metadata == METADATA
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_views_of_one_storage_are_saved_apart(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    save_checkpoint(tmp_path / "c.safetensors", {"a": base[:3], "b": base[:3], "c": base}, {})
    tensors, _ = load_checkpoint(tmp_path / "c.safetensors")
    assert tensors["b"].tolist() == [0, 1, 2]


def test_a_loaded_checkpoint_can_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    tensors, metadata = load_checkpoint(path)
    save_checkpoint(path, {"means": torch.zeros(9)}, {})
    assert torch.equal(tensors["means"], TENSORS["means"])
    assert metadata == METADATA


def test_every_truncation_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    content = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 40, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(UnreadableFile, match="not a readable checkpoint"):
            load_checkpoint(path)


def test_other_files(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    torch.save({"a": torch.zeros(3)}, tmp_path / "pickle.safetensors")
    for name in ("other.safetensors", "pickle.safetensors", "absent.safetensors"):
        with pytest.raises(UnreadableFile):
            load_checkpoint(tmp_path / name)
    with pytest.raises(InvalidInput, match="plain JSON"):
        save_checkpoint(tmp_path / "c", {}, {"a": torch.zeros(3)})


def test_a_full_disk_keeps_the_older_checkpoint(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, TENSORS, METADATA)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(GeokitError, match="No space left"):
            save_checkpoint(path, {}, {})
    assert load_checkpoint(path)[1] == METADATA
