"""Spectral geometry and functional maps on the CPU beside pyFM, robust_laplacian, potpourri3d and libigl.

    python benchmarks/spectral.py [--only SECTION ...]

CPU seconds of one thread; every section is a file of its own, benchmarks/spectral_SECTION.py, and runs alone too. Run
it on an idle machine. The results also go to benchmarks/results/spectral.json.
"""

from common import run_sections

SECTIONS = ("laplacian", "eigen", "geodesics", "descriptors", "maps", "matching", "prior")

if __name__ == "__main__":
    run_sections("spectral", SECTIONS, __doc__)
