"""Simulated particles: the physics, the published samples, and the file."""

import re

import numpy as np
import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.pipelines.nbody_data import SPLITS, load_nbody, save_nbody
from geokit.pipelines.nbody_simulation import SIMULATED, simulate_nbody

FEW = {"train": 12, "valid": 3, "test": 5}


@pytest.fixture(scope="module")
def few():
    return simulate_nbody(FEW)


def test_charges_speeds_and_sizes(few):
    assert tuple(few) == SPLITS == tuple(SIMULATED)
    for split, particles in few.items():
        assert particles.x0.shape == particles.v0.shape == particles.x1.shape == (FEW[split], 5, 3)
        assert particles.x0.dtype == torch.float32
        assert particles.charges.abs().eq(1).all()


def test_momentum_is_conserved_in_the_published_dynamics(few):
    for particles in few.values():
        drift = (particles.x1 - particles.x0).mean(1)
        far = (particles.x1 - particles.x0).abs().amax((1, 2)) < 2  # no force was cut off
        torch.testing.assert_close(drift[far], particles.v0.mean(1)[far], atol=2e-3, rtol=0)


def test_the_first_samples_are_those_of_the_published_data(few, data_folder):
    file = data_folder / "equivariance" / "nbody_small" / "nbody_small_seed43.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    published = load_nbody(file)
    for split, particles in few.items():
        count = FEW[split]
        for field in ("x0", "v0", "charges", "x1"):
            torch.testing.assert_close(
                getattr(particles, field), getattr(published[split], field)[:count], atol=1e-5, rtol=1e-5
            )


def test_a_file_gives_back_what_was_saved(few, tmp_path):
    save_nbody(tmp_path / "n.npz", few)
    for split, particles in load_nbody(tmp_path / "n.npz").items():
        for field in ("x0", "v0", "charges", "x1"):
            assert torch.equal(getattr(particles, field), getattr(few[split], field))


def arrays(few, **changes):
    fields = {"x0": "x0", "v0": "v0", "q": "charges", "x1": "x1"}
    content = {f"{s}_{name}": getattr(few[s], field).numpy() for s in few for name, field in fields.items()}
    return {name: value for name, value in (content | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"valid_q": None}, "holds no array valid_q; delete it"),
        ({"test_v0": np.zeros((5, 4, 3))}, "test_v0 has shape (5, 4, 3), wanted (5, 5, 3)"),
        ({"test_v0": np.zeros((4, 5, 3))}, "test_v0 has shape (4, 5, 3), wanted (5, 5, 3)"),
        ({"train_x0": np.zeros((0, 5, 3))}, "train_x0 has shape (0, 5, 3), wanted (S, 5, 3)"),
        ({"train_x0": np.array(1.0)}, "train_x0 has shape (), wanted (S, 5, 3)"),
        ({"train_x1": np.full((12, 5, 3), np.nan)}, "train_x1 has values that are NaN or infinite"),
        ({"train_x1": np.full((12, 5, 3), "a")}, "is no .npz, or damaged"),
    ],
)
def test_files_that_are_no_samples(few, tmp_path, changes, sentence):
    np.savez(tmp_path / "n.npz", **arrays(few, **changes))
    with pytest.raises(UnreadableFile, match=re.escape(sentence)):
        load_nbody(tmp_path / "n.npz")


def test_files_that_are_no_archives(few, tmp_path):
    file = tmp_path / "n.npz"
    with pytest.raises(UnreadableFile, match="does not exist"):
        load_nbody(file)
    for content in (b"", b"hello", b"PK\x03\x04" + bytes(50)):
        file.write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"n\.npz is no .npz, or damaged"):
            load_nbody(file)
    save_nbody(file, few)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UnreadableFile, match=r"n\.npz is no .npz, or damaged"):
        load_nbody(file)
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(file)
    with pytest.raises(UnreadableFile, match=r"n\.npz is no .npz, or damaged"):
        load_nbody(file)
