"""Round numbers, as people write them on scales."""

import math
import sys


def ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """At most `most` round numbers from `low` to `high`: (share of the way, as text). One where both are the same."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [(0.5, f"{low:.4g}")]
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    for step in (size, 2 * size, 2.5 * size, 5 * size, 10 * size, 20 * size):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    return [((k * step - low) / (high - low), _text(k * step, step)) for k in range(first, last + 1)]


def _text(value: float, step: float) -> str:
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e9:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:.{decimals + 1}f}"
    return text.rstrip("0").rstrip(".")


def round_number(size: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above a size; of no size, one next to nothing."""
    size = max(size, 10 * sys.float_info.min)
    power = 10.0 ** math.floor(math.log10(size))
    return max(step for step in (power, 2 * power, 5 * power) if step <= size * (1 + 1e-9))
