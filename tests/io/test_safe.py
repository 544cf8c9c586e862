import errno
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from geokit.errors import GeokitError, UnreadableFile
from geokit.io.safe import atomic_write, check_count, confined_path, read_bytes


def save(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.endswith(".part")]


def test_what_was_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new" / "a.bin") as file:
        file.write(b"content")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.bin"]
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"content"
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new" / "a.bin").stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_error_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with suppress(RuntimeError), atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, monkeypatch, call: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(GeokitError, match=r"a\.bin could not be written \(No space left.*unharmed") as caught:
        save(path, b"new")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_really_full_device(tmp_path: Path, monkeypatch) -> None:
    """The bytes go to /dev/full, which refuses them as a full disk does."""
    import builtins

    real = open
    monkeypatch.setattr(builtins, "open", lambda path, *a, **k: real("/dev/full", "wb"))
    with pytest.raises(GeokitError, match=r"No space left.*nothing that existed was touched"):
        save(tmp_path / "a.bin", b"x" * 100_000)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(GeokitError, match="could not be written"), atomic_write(tmp_path / "file" / "a.bin") as file:
        file.write(b"x")


def test_a_process_killed_in_mid_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    program = textwrap.dedent(
        """
        import os, signal, sys
        from geokit.io.safe import atomic_write
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        with atomic_write(sys.argv[1]) as file:
            file.write(b"new" * 1000)
        """
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", program, str(path)], env=environment, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(leftovers(tmp_path)) == 1
    with atomic_write(path) as file:  # the next save removes what the dead process left
        file.write(b"newer")
    assert path.read_bytes() == b"newer"
    assert not leftovers(tmp_path)


def test_the_files_of_a_living_writer_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path) as outer:
        outer.write(b"outer")
        with atomic_write(path) as inner:
            inner.write(b"inner")
        assert path.read_bytes() == b"inner"
    assert path.read_bytes() == b"outer"


def test_paths_stay_inside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "capture", tmp_path / "secret.png"
    (folder / "images").mkdir(parents=True)
    outside.write_bytes(b"")
    (folder / "link.png").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    assert confined_path(folder, "images/../images/a.png") == (folder / "images" / "a.png").resolve()
    for bad in ("../secret.png", str(outside), "images/../../secret.png", "link.png"):
        with pytest.raises(UnreadableFile, match="leaves the capture folder"):
            confined_path(folder, bad, folder / "transforms.json")
    with pytest.raises(UnreadableFile, match="not a usable path"):
        confined_path(folder, "a\0b")
    with suppress(UnreadableFile):  # a loop of links is an error or a path inside, as the Python version has it
        assert confined_path(folder, "loop/a").is_relative_to(folder.resolve())


def test_counts_are_compared_with_the_bytes_left(tmp_path: Path) -> None:
    check_count(tmp_path, "points", 4, 3, 12)
    for count in (5, -1, 2**63):
        with pytest.raises(UnreadableFile, match="promises"):
            check_count(tmp_path, "points", count, 3, 12)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="does not exist"):
        read_bytes(tmp_path / "none")
    with pytest.raises(UnreadableFile, match="is a folder"):
        read_bytes(tmp_path)
