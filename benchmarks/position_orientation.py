"""Position-orientation message passing: speed beside plain torch, exactness of every choice, N-body beside EGNN."""

from common import run_sections

if __name__ == "__main__":
    run_sections("position_orientation", ("speed", "scaling", "exactness", "nbody"), __doc__)
