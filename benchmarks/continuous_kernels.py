"""Continuous kernels, each alone: fitting known kernels, classifying sequences and images at equal CPU seconds.

    python benchmarks/continuous_kernels.py [--only fit sequences images]

The digits are read from GEOKIT_TEST_DATA/equivariance/mnist/mnist.npz.
"""

from common import run_sections

if __name__ == "__main__":
    run_sections("continuous_kernels", ["fit", "sequences", "images"], __doc__)
