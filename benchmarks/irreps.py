"""Irreps: `python benchmarks/irreps.py [--only products harmonics networks]`; see the scripts irreps_*.py."""

from common import run_sections

if __name__ == "__main__":
    run_sections("irreps", ("products", "harmonics", "networks"), __doc__)
