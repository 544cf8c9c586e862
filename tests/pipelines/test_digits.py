"""The file of digits: its splits, the frame around them, and what is not such a file."""

import numpy as np
import pytest
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.pipelines.digits import load_digits
from tests.pipelines.few_digits import SIGNS, write_digits


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits") / "few.npz", 20)


def test_splits(file):
    splits = load_digits(str(file))
    assert {name: len(digits) for name, digits in splits.items()} == {"train": 50_000, "valid": 10_000, "test": 10_000}
    with np.load(file) as arrays:
        assert np.array_equal(splits["train"].images[:30].numpy(), arrays["x_train"][:30])
        assert np.array_equal(splits["valid"].images[:30].numpy(), arrays["x_train"][50_000:50_030])
        assert np.array_equal(splits["test"].labels.numpy(), arrays["y_test"])
    for digits in splits.values():
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.labels[:20].tolist() == [i % len(SIGNS) for i in range(20)]


def test_digits_in_their_frame(file):
    digits = load_digits(file)["test"].first(5)
    assert len(digits) == 5
    images = digits.centered()
    assert images.shape == (5, 1, 40, 40)
    assert torch.equal(images[:, 0, 6:34, 6:34], digits.images / 255)
    assert float(images.sum()) == pytest.approx(float(digits.images.sum()) / 255, rel=1e-5)
    assert digits.centered(28).shape == (5, 1, 28, 28)
    for count in (0, 10_001):
        with pytest.raises(InvalidInput, match=f"1 to 10000 digits can be taken, got {count}"):
            load_digits(file)["test"].first(count)


def test_what_is_no_file_of_digits(file, tmp_path):
    with pytest.raises(UnreadableFile, match=r"nothing\.npz does not exist"):
        load_digits(tmp_path / "nothing.npz")
    other = tmp_path / "other.npz"
    with np.load(file) as arrays:
        good = dict(arrays)
    wrong = (
        ({"x_train": good["x_train"][:100]}, r"x_train is uint8 \(100, 28, 28\) with labels \(60000,\), wanted uint8"),
        ({"y_test": good["y_test"][:, None]}, r"x_test is uint8 .* with labels \(10000, 1\)"),
        ({"x_test": good["x_test"].astype(np.float32)}, r"x_test is float32"),
        ({"x_test": np.array([None])}, "does not hold MNIST as arrays"),
    )
    for changes, sentence in wrong:
        np.savez_compressed(other, **good | changes)
        with pytest.raises(UnreadableFile, match=sentence):
            load_digits(other)
    np.savez(other, x_train=good["x_train"][:1])
    with pytest.raises(UnreadableFile, match=r"does not hold MNIST .*; get the mnist\.npz that Keras distributes"):
        load_digits(other)
    whole = file.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], np.lib.format.magic(1, 0)):
        other.write_bytes(content)
        with pytest.raises(UnreadableFile):
            load_digits(other)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(UnreadableFile, match="does not hold MNIST"):
        load_digits(tmp_path / "array.npy")


@pytest.mark.data
def test_the_real_file(data_folder):
    file = data_folder / "equivariance" / "mnist" / "mnist.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    splits = load_digits(file)
    assert splits["train"].labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert splits["test"].labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert splits["test"].labels.bincount().min() > 800
    assert 0.1 < float(splits["test"].centered(28).mean()) < 0.16
