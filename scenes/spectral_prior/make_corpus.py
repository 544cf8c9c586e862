"""The corpus of the learned spectral prior: |C| of pairs of shapes whose correspondence is known.

    python scenes/spectral_prior/make_corpus.py --meshes FOLDER --output out/spectral_prior/corpus.safetensors

FOLDER holds the freely licensed meshes that corpus.py names, anywhere below; without it only made bodies are used. Some
10 CPU minutes. The same seed gives the same corpus.
"""

import argparse
import time
from pathlib import Path

import torch
from corpus import families, maps_within, member

from geokit.io.checkpoints import save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meshes", type=Path, help="folder of the freely licensed meshes")
    parser.add_argument("--output", type=Path, default=Path("out/spectral_prior/corpus.safetensors"))
    parser.add_argument("--bodies", type=int, default=80, help="bodies made from nothing")
    parser.add_argument("--members", type=int, default=40, help="deformed shapes of each body; twice of each free mesh")
    parser.add_argument("--pairs", type=int, default=8, help="maps from each shape to others of its family")
    parser.add_argument("--size", type=int, default=30, help="eigenfunctions")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, cpu = time.perf_counter(), time.process_time()
    known = families(options.bodies, options.meshes, options.seed)
    maps, owner = [], []
    for number, family in enumerate(known):
        rng = torch.Generator().manual_seed(options.seed * 1_000_003 + number)
        count = options.members * (1 if number < options.bodies else 2)
        members = [member(family, rng, options.size) for _ in range(count)]
        maps.append(maps_within(members, rng, options.pairs))
        owner.append(torch.full((len(maps[-1]),), number))
        print(f"{number + 1}/{len(known)} {family.name}: {time.perf_counter() - start:.0f} s", flush=True)
    about = {"families": [family.name for family in known], "seed": options.seed}
    save_checkpoint(options.output, {"maps": torch.cat(maps), "family": torch.cat(owner)}, about)
    print(f"{sum(map(len, maps)):,} maps in {time.process_time() - cpu:.0f} CPU s: {options.output}")


if __name__ == "__main__":
    main()
