"""What is chosen before training, against training itself: frequencies of networks, resolutions of grids."""

import math
import time
from typing import Any

from common import in_own_process, print_table
from fields_grids_images import adapted, box, grid, photograph

from geokit.fields import FourierField, choose_frequency, fit_network, image_samples, squared_error

SECONDS = 6.0
CANDIDATES = [1.0, 2.0, 4.0, 7.0, 10.0, 14.0, 20.0]
PARAMETERS = 100_000


def frequency_row(name: str) -> dict[str, Any]:
    image = photograph(name)

    def make(frequency: float, seed: int) -> FourierField:
        return FourierField(box(image), 3, 64, frequency, 64, 2, seed=seed)

    start = time.process_time()
    chosen, _ = choose_frequency(image, make, CANDIDATES, initialisations=3, largest=256)
    spent, scores = time.process_time() - start, {}
    for frequency in CANDIDATES:
        field = make(frequency, 0)
        fit_network(field, image, cpu_seconds=SECONDS, batch=4096, rate=3e-3)
        scores[frequency] = -10 * math.log10(squared_error(field, *image_samples(image)))
    best = max(scores, key=scores.__getitem__)
    return {
        "image": name,
        "chosen": chosen,
        "best": best,
        "chosen dB": scores[chosen],
        "best dB": scores[best],
        "worst dB": min(scores.values()),
        "CPU s to choose": spent,
        "CPU s to try all": SECONDS * len(CANDIDATES),
    }


def resolution_row(name: str) -> dict[str, Any]:
    image, found = photograph(name), {"image": name}
    for label, make in (("one factor dB", grid), ("chosen dB", adapted)):
        field = make(image, PARAMETERS)
        fit_network(field, image, cpu_seconds=SECONDS, batch=8192)
        found[label] = -10 * math.log10(squared_error(field, *image_samples(image)))
    return found


def section() -> dict[str, list[dict[str, Any]]]:
    frequencies = [in_own_process(frequency_row, name) for name in ("astronaut", "coffee")]
    print_table("Fourier features: the frequency of the nearest spectrum against the best of all trained", frequencies)
    resolutions = [in_own_process(resolution_row, name) for name in ("astronaut", "kodim05", "kodim13", "kodim23")]
    print_table(f"Grids of {PARAMETERS:,} parameters: resolutions by one factor, and by information", resolutions)
    return {"frequencies": frequencies, "resolutions": resolutions}
