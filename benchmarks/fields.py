"""Fields against their peers: images, bytes, distances.

OMP_NUM_THREADS=1 python benchmarks/fields.py --only images bytes sdf
"""

from common import run_sections

SECTIONS = ("images", "bytes", "sdf")

if __name__ == "__main__":
    run_sections("fields", SECTIONS, __doc__)
