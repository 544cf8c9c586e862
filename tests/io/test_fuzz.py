"""Any bytes give a shape or one sentence, soon and in little memory: mutated files of every format.

A minute from the same seed by default, so that a change that breaks nothing passes as its parent did. To look for more:
GEOKIT_FUZZ_SECONDS gives it longer, GEOKIT_FUZZ_SEED another beginning. Each finding is named and kept; once it is
mended, the file goes to `regressions/`, which are read again here.
"""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.io.builders import mutate, mutations, shape_seeds
from tests.io.fuzz_worker import broken_promise

ROOT = Path(__file__).resolve().parents[2]
REGRESSIONS = Path(__file__).parent / "regressions"
SECONDS = float(os.environ.get("GEOKIT_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("GEOKIT_FUZZ_SEED", "0"))
LARGEST_SEED = 130_000


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return shape_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("path", sorted(REGRESSIONS.iterdir()), ids=lambda p: p.name)
def test_what_was_found_once(path: Path) -> None:
    assert broken_promise(path) is None


@given(st.data())
@settings(max_examples=120, deadline=None, derandomize="GEOKIT_FUZZ_SEED" not in os.environ)
def test_mutated_files_that_hypothesis_shrinks(seeds, tmp_path_factory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(seeds)))
    path = tmp_path_factory.getbasetemp() / f"shrunk_{name}"
    path.write_bytes(mutate(seeds[name], data.draw(mutations())))
    assert broken_promise(path) is None


@pytest.mark.slow
def test_mutated_files_in_a_process_of_limited_memory(seeds, tmp_path: Path) -> None:
    """Crashes and endless loops of native code show here as a process that ends badly or not at all."""
    (tmp_path / "seeds").mkdir()
    for name, content in {**seeds, **_files_for_developers()}.items():
        (tmp_path / "seeds" / name).write_bytes(content)
    command = [sys.executable, "-m", "tests.io.fuzz_worker", str(tmp_path), str(SECONDS), str(SEED)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS + 120
    )
    crash = signal.Signals(-done.returncode).name if done.returncode < 0 else done.returncode
    assert done.returncode == 0, f"seed {SEED} ended with {crash}, its last file is in {tmp_path}:\n{done.stderr}"
    *findings, tried = done.stdout.splitlines()
    assert not findings, f"seed {SEED}:\n" + "\n".join(findings)
    if int(tried.split()[1]) < 10 * SECONDS:
        warnings.warn(f"only {tried} files on this machine", stacklevel=1)


def _files_for_developers() -> dict[str, bytes]:
    named = os.environ.get("GEOKIT_TEST_DATA")
    folder = (Path(named) if named else ROOT.parent / "shared" / "data") / "io_dev"
    found = [p for p in folder.glob("*/*") if p.suffix != ".mtl" and p.stat().st_size < LARGEST_SEED]
    return {f"dev_{p.name}": p.read_bytes() for p in found}
