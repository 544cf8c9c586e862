"""The data layer on the CPU beside its peers: neighbours, distances, rasterizer, files, surfaces, registration.

    python benchmarks/geometry.py [--only SECTION ...]

Medians; every section is a file of its own, benchmarks/geometry_SECTION.py, and runs alone too. Run it on an idle
machine. Peers that are not installed are left out of the table, and named. The results also go to
benchmarks/results/geometry.json.
"""

import argparse
import sys
import time
from importlib import import_module

from common import machine, save

SECTIONS = ("neighbors", "distance", "raster", "files", "surfaces", "registration", "rotations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to run")
    options = parser.parse_args()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}; torch {here['torch']}; load {here['load']}")
    if here["load"] > 0.5:
        print("The machine is not idle: these figures are provisional.")
    for name in options.only:
        start = time.perf_counter()
        path = save("geometry", name, import_module(f"geometry_{name}").section())
        print(f"  {name}: {time.perf_counter() - start:.0f} s -> {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
