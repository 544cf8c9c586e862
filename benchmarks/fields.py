"""Fields against their peers: images, bytes, differential equations.

OMP_NUM_THREADS=1 python benchmarks/fields.py --only images bytes
"""

from common import run_sections

SECTIONS = ("images", "bytes", "equations")

if __name__ == "__main__":
    run_sections("fields", SECTIONS, __doc__)
