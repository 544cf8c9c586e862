"""The file of digits: its splits, the frame around them, and what is not such a file."""

import tracemalloc
import zipfile

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
    with pytest.raises(UnreadableFile, match=r"nothing\.npz does not exist, but a file of digits \(mnist\.npz\) is"):
        load_digits(tmp_path / "nothing.npz")
    other = tmp_path / "other.npz"
    with np.load(file) as arrays:
        good = dict(arrays)
    wrong = (
        ({"x_train": good["x_train"][:100]}, r"x_train has shape \(100, 28, 28\), wanted \(60000, 28, 28\)"),
        ({"y_test": good["y_test"][:, None]}, r"y_test has shape \(10000, 1\), wanted \(10000,\)"),
        ({"x_test": good["x_test"].astype(np.float32)}, r"x_test is float32"),
        ({"x_test": np.array([None])}, "x_test .*pickled objects are never read"),
        ({"y_train": good["y_train"].astype(np.float64)}, "y_train is float64, wanted integers"),
        ({"y_train": good["y_train"].astype(str)}, r"y_train holds <U\d+, wanted numbers"),
        (
            {"y_test": good["y_test"] + np.uint8(6)},
            "y_test holds labels from 6 to 10, wanted 0 to 9; get the mnist.npz",
        ),
        ({"y_train": good["y_train"].astype(np.int8) - 1}, "y_train holds labels from -1 to 3"),
        ({"y_test": np.full(10_000, 2**64 - 1, np.uint64)}, f"y_test holds labels from {2**64 - 1} to {2**64 - 1}"),
    )
    for changes, sentence in wrong:
        np.savez_compressed(other, **good | changes)
        with pytest.raises(UnreadableFile, match=sentence):
            load_digits(other)
    np.savez(other, points=good["x_train"][:1])
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


def npy(header, content=b"", version=b"\1\0"):
    """The bytes of an array with a header of one's own."""
    length = len(header).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + length + header + content


def test_hostile_headers_cost_nothing(file, tmp_path):
    """None is believed: a file of some kilobytes does not make this process reserve gigabytes."""
    huge = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 28, 28)}"
    good = b"{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28)}"
    with np.load(file) as arrays:
        labels = npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (60000,)}", bytes(arrays["y_train"]))
    for content, sentence in (
        (npy(huge), r"x_train has shape \(1000000000000, 28, 28\), wanted \(60000"),
        (npy(good), "x_train promises an array of shape .* only 74 bytes are there|is truncated"),
        (npy(good, bytes(60_000 * 784 + 1)), "x_train is longer than its header says"),
        (npy(b"(" * 9000), "is no NumPy array"),
        (npy(b"[1]"), "is no NumPy array"),
        (npy(b"1" * 60_000), "is no NumPy array .*promises 60000 bytes"),
        (npy(b"", version=b"\2\0"), "is no NumPy array"),
        (npy(good.replace(b"|u1", b"O")), "pickled objects are never read"),
    ):
        other = tmp_path / "other.npz"
        with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("y_train.npy", labels)
            archive.writestr("x_train.npy", content)
        tracemalloc.start()
        with pytest.raises(UnreadableFile, match=sentence):
            load_digits(other)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 150e6


def test_other_ways_to_write_the_same_digits(file, tmp_path):
    """Labels of another type and byte order, images by columns, members that are stored or packed unusually."""
    with np.load(file) as arrays:
        good = dict(arrays)
    other = tmp_path / "other.npz"
    few = {"y_train": good["y_train"].astype(">i8"), "x_test": np.asfortranarray(good["x_test"])}
    np.savez(other, **good | few)
    expected, found = load_digits(file), load_digits(other)
    for name, digits in expected.items():
        assert torch.equal(digits.images, found[name].images)
        assert torch.equal(digits.labels, found[name].labels)
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(other, "w", zipfile.ZIP_BZIP2) as repacked:
        repacked.writestr("x_train.npy", archive.read("x_train.npy")[:10_000])
    with pytest.raises(UnreadableFile, match="x_train is packed in an unusual way"):
        load_digits(other)


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
