"""The command line as a process of its own: imports, signals, and what a kill leaves."""

import os
import signal
import subprocess
import sys
import time

import pytest

from geokit.io import load_checkpoint
from geokit.pipelines.reconstruct import reconstruct

MAIN = "import sys; from geokit.cli.main import main; sys.exit(main())"


def start(*arguments, code=MAIN):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, errors="replace"
    )


def run_to_end(*arguments, code=MAIN):
    process = start(*arguments, code=code)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def whole(capture, tmp_path_factory):
    """The bytes of splats.ply of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    reconstruct(capture, folder, steps=300, max_splats=80)
    return (folder / "splats.ply").read_bytes()


def test_the_parser_and_the_package_import_no_torch():
    code = (
        "import sys, geokit, geokit.io\n"
        "from geokit.cli.main import main\n"
        "try:\n    main(['reconstruct', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "main(['--version'])\n"
        "heavy = {'torch', 'numpy', 'scipy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    began = time.perf_counter()
    returned, _, err = run_to_end(code=code)
    print(f"--help and --version in {time.perf_counter() - began:.2f} s")
    assert returned == 0, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_the_run_goes_on(capture, whole, tmp_path, number):
    arguments = ["reconstruct", capture, "--output", tmp_path / "out", "--steps", "300", "--max-splats", "80"]
    process = start(*arguments)
    for line in process.stdout:
        if line.startswith("step "):
            process.send_signal(number)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("\n") == 1
    assert "all is saved, go on with: geokit reconstruct" in err
    assert err.rstrip().endswith("--resume")
    assert 0 < load_checkpoint(tmp_path / "out" / "checkpoint.safetensors")[1]["step"] < 300
    assert (tmp_path / "out" / "splats.ply").is_file()
    reconstruct(capture, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "splats.ply").read_bytes() == whole


def test_a_kill_in_mid_save_leaves_the_older_checkpoint(capture, whole, tmp_path):
    """The process dies by SIGKILL after it has written half of its third checkpoint."""
    code = (
        "import os, signal, sys\n"
        "from geokit.cli.main import main\n"
        "real, saves = os.fsync, []\n"
        "def fsync(number):\n"
        "    name = os.readlink(f'/proc/self/fd/{number}')\n"
        "    if 'checkpoint' in name:\n"
        "        saves.append(name)\n"
        "    if len(saves) == 3:\n"
        "        os.ftruncate(number, os.fstat(number).st_size // 2)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(number)\n"
        "os.fsync = fsync\n"
        "sys.exit(main())\n"
    )
    arguments = ["reconstruct", capture, "--output", tmp_path / "out", "--steps", "300", "--max-splats", "80"]
    returned, _, _ = run_to_end(*arguments, code=code)
    assert returned == -signal.SIGKILL
    assert list((tmp_path / "out").glob(".checkpoint*.part"))
    assert load_checkpoint(tmp_path / "out" / "checkpoint.safetensors")[1]["step"] == 60
    reconstruct(capture, tmp_path / "out", resume=True)
    assert not list((tmp_path / "out").glob(".checkpoint*.part"))
    assert (tmp_path / "out" / "splats.ply").read_bytes() == whole


def test_a_reader_that_leaves_does_not_end_the_run(capture, tmp_path):
    process = start("reconstruct", capture, "--output", tmp_path / "out", "--steps", "40", "--max-splats", "80")
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (0, "")
    assert load_checkpoint(tmp_path / "out" / "checkpoint.safetensors")[1]["step"] == 40
    assert (tmp_path / "out" / "turntable.gif").is_file()


@pytest.mark.parametrize("arguments", [["info"], ["info", "--json"]])
def test_a_reader_that_leaves_a_verb_that_prints(run, arguments):
    process = start(*arguments, run)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (0, "")
