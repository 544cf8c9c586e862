"""Equivariance around any network: frame averaging, invariant coordinates, soft equivariance.

OMP_NUM_THREADS=1 python benchmarks/equivariance_tools.py --only frames nbody shapes inertia
"""

from common import run_sections

if __name__ == "__main__":
    run_sections("equivariance_tools", ("frames", "nbody", "shapes", "inertia"), __doc__)
