"""How equivariant are convolutions over sampled elements of GL+(2)? Error against pixels and against samples.

OMP_NUM_THREADS=1 python benchmarks/lie_equivariance.py --only resolution samples          about ten minutes

When both sections are there, docs/images/lie_equivariance.png is drawn from them.
"""

import json

from common import RESULTS, ROOT, run_sections
from lie_equivariance_picture import draw

if __name__ == "__main__":
    run_sections("lie_equivariance", ("resolution", "samples"), __doc__)
    sections = json.loads((RESULTS / "lie_equivariance.json").read_text())
    if {"resolution", "samples"} <= set(sections):
        draw(*(sections[name]["results"] for name in ("resolution", "samples"))).save(
            ROOT / "docs" / "images" / "lie_equivariance.png", optimize=True
        )
