"""The rules of the house: floors, sizes of files, portable paths, complete operators, the README's commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 500  # lines of a source file
COMMANDS = (
    "pip install -c constraints.txt '.[all]' && geokit reconstruct scenes/still_life --output out/still_life",
    "pip install -c constraints.txt -e '.[test]' && pytest",
)
# Folders of one machine, but no part of a longer path or address.
MACHINE_PATH = re.compile(r"(?<![\w.$}:/])/(?:home|Users|root|work|mnt)/[\w.-]|\b[A-Z]:\\\\?(?:Users|home)")
# The target of a link or an image in Markdown, inline or in HTML.
LINK = re.compile(r"""\]\(\s*<?([^\s)>]+)|(?:src|href)\s*=\s*["']([^"']+)""")
# Operators without a gradient: gradients themselves, what changes its arguments in place, what only chooses or orders.
CHOICES = (
    "point_tree|farthest_points|voxel_groups|bvh_build|nearest_in_faces|bvh_moments|winding_number|silhouette_crossings"
)
CHOICES += "|query_order|tile_intersections"
CHOICES += "|march_fronts|heat_flow"  # distances along surfaces
CHOICES += "|intrinsic_delaunay|edge_entries|local_stars"
CHOICES += "|group_edges|radial_pairs"
CHOICES += "|sparse_twins|sparse_analyze|sparse_residual_squares|sparse_factor"  # of the last: in sparse_solve
CHOICES += "|lattice_dilate|lattice_around"
WITHOUT_GRADIENT = re.compile(rf"_backward$|_step$|^geokit::({CHOICES})$")


def tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rooms_import_only_from_lower_floors():
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main(['--no-cache'])"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_importing_geokit_does_not_import_torch():
    loaded = run("import sys, geokit; print(*sorted(m for m in sys.modules if '.' not in m))").split()
    assert "geokit" in loaded
    assert not {"torch", "numpy", "scipy", "PIL", "tyro", "pycolmap"} & set(loaded)


def test_source_files_are_not_too_long():
    sources = {".py", ".h", ".cpp", ".cu"}
    rooms = (ROOT / "geokit", ROOT / "cuda_ext")
    files = [path for room in rooms for path in room.rglob("*") if path.suffix in sources]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert lengths
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_no_file_knows_the_machine_it_was_written_on():
    found = []
    for path in tracked_files():
        if path == Path(__file__).resolve() or path.suffix in {".jpg", ".png", ".ply", ".gif"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_every_operator_has_a_fake_and_a_gradient():
    code = """
import importlib, pkgutil, geokit.backend
from torch._library.custom_ops import OPDEFS
for module in pkgutil.iter_modules(geokit.backend.__path__):
    importlib.import_module(f"geokit.backend.{module.name}")
for name, op in OPDEFS.items():
    if name.startswith("geokit::"):
        print(name, op._abstract_fn is not None, op._backward_fn is not None)
"""
    operators = [line.split() for line in run(code).splitlines()]
    assert {"geokit::project", "geokit::rasterize"} <= {name for name, *_ in operators}
    assert not [name for name, fake, _ in operators if fake != "True"]
    without = [name for name, _, gradient in operators if gradient != "True"]
    assert not [name for name in without if not WITHOUT_GRADIENT.search(name)]


def test_documents_have_no_placeholders_and_no_dead_links():
    documents = [path for path in tracked_files() if path.suffix == ".md"]
    assert ROOT / "README.md" in documents
    wrong = []
    for path in documents:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            where = f"{path.relative_to(ROOT)}:{number}"
            wrong += [f"{where}: a placeholder"] if "@@" in line else []
            targets = [a or b for a, b in LINK.findall(line)]
            local = [t for t in targets if not re.match(r"[a-z][a-z0-9+.-]*:|#", t, re.IGNORECASE)]
            files = ((path.parent / unquote(re.split("[#?]", target)[0])).resolve() for target in local)
            wrong += [f"{where}: {target} is not there" for target, file in zip(local, files) if not file.exists()]
    assert not wrong, "\n".join(wrong)


def test_readme_gives_the_two_commands_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    for command in COMMANDS:
        assert command in readme
        assert all(part in ci for part in command.split(" && "))
