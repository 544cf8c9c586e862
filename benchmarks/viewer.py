"""The viewer's streamed splats, measured in a browser: frames a second, first picture, and a soak.

    python benchmarks/viewer.py [--only frames first soak] [--minutes 20]

Needs Chromium and Playwright (frames, first); viser. Run it alone: the browser draws on the same cores as geokit.
The results also go to benchmarks/results/viewer.json.
"""

import argparse

from common import machine, save
from viewer_frames import first_section, frames_section
from viewer_soak import soak_section


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("frames", "first", "soak"), default=["frames", "first", "soak"])
    parser.add_argument("--minutes", type=float, default=20.0, help="of the soak")
    options = parser.parse_args()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}; torch {here['torch']}; load {here['load']}")
    sections = {"frames": frames_section, "first": first_section, "soak": lambda: soak_section(options.minutes)}
    for name in options.only:
        print(f"  -> {save('viewer', name, sections[name]())}")


if __name__ == "__main__":
    main()
