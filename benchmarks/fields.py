"""Fields against their peers: images by numbers and by bytes, surfaces of points, distances of meshes, equations.

OMP_NUM_THREADS=1 python benchmarks/fields.py --only images bytes surfaces sdf equations

The operators have scripts of their own: fields_grids.py, fields_radial.py, fields_fourier.py.
"""

from common import run_sections

SECTIONS = ("images", "bytes", "surfaces", "sdf", "equations")

if __name__ == "__main__":
    run_sections("fields", SECTIONS, __doc__)
