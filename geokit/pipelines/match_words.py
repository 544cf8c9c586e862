"""What the figures of a match mean, in words."""

from typing import Any

# Of correct maps of people and animals the confidence was 0.2 to 0.95, of nine in ten above 0.4.
_SURE, _DOUBTFUL, _ORIENTED = 0.4, 0.2, 0.8


def quality_rows(quality: dict[str, Any], names: list[str]) -> list[tuple[str, str]]:
    """Names and sentences for a table, from `Quality.as_json` and the names of the two shapes."""
    share, cycle = quality["orientation"], quality["cycle_error"]
    reach = min(quality["coverage_1"], quality["coverage_2"])
    smooth = max(quality["smoothness_12"], quality["smoothness_21"])
    rows = [
        ("verdict", verdict(quality)),
        ("there and back", f"vertices return to {cycle:.1f} % of the size of the shape from themselves, on average"),
        ("coverage", f"{reach:.0%} of the surface is reached" + (" at least" if reach < 1 else "")),
        ("orientation", f"{share:.0%} of the surface keeps its outside outside"),
        ("smoothness", f"{_smoothness(smooth)} (Dirichlet energy {smooth:.1f}; 1 is an isometry)"),
        ("distortion", _distortion(quality)),
    ]
    for heading, sentences in (("note", quality["repairs"]), ("beware", quality["warnings"])):
        for sentence in sentences:
            named = sentence.replace("shape 1", names[0]).replace("shape 2", names[1])
            rows.append((heading, named))
    return rows


def verdict(quality: dict[str, Any]) -> str:
    """One line."""
    confidence, oriented = quality["confidence"], quality["orientation"] >= _ORIENTED
    if confidence >= _SURE and oriented:
        return f"confident: {confidence:.2f}"
    if confidence >= _DOUBTFUL and oriented:
        return f"fairly confident: {confidence:.2f}; look at the picture"
    return f"doubtful: {confidence:.2f}; look at the picture, and give a few --landmarks"


def _smoothness(energy: float) -> str:
    if energy < 2:
        return "neighbours stay neighbours"
    return "neighbours are pulled apart in places" if energy < 6 else "the map is torn"


def _distortion(quality: dict[str, Any]) -> str:
    area, angle = 2 ** quality["area_distortion"], 2 ** quality["conformal_distortion"]
    return f"areas change by a factor of {area:.2f}, stretch by {angle:.2f}, typically"
