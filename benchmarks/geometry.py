"""The data layer on the CPU beside its peers: neighbours, distances, rasterizer, files, surfaces, registration.

    python benchmarks/geometry.py [--only SECTION ...]

Medians; every section is a file of its own, benchmarks/geometry_SECTION.py, and runs alone too. Run it on an idle
machine. Peers that are not installed are left out of the table, and named. The results also go to
benchmarks/results/geometry.json.
"""

from common import run_sections

SECTIONS = ("neighbors", "distance", "raster", "files", "surfaces", "registration", "rotations")

if __name__ == "__main__":
    run_sections("geometry", SECTIONS, __doc__)
