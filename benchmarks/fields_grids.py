"""Grids of several resolutions: the native encoding against plain torch, and photographs at equal CPU seconds.

    python benchmarks/fields_grids.py [--only encoding images choices]

The photographs are read from GEOKIT_TEST_DATA/images.
"""

from common import run_sections

if __name__ == "__main__":
    run_sections("fields_grids", ["encoding", "images", "choices"], __doc__)
