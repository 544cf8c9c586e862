"""How `geokit info` tells what a mesh or a cloud of points is."""

from typing import Any

from geokit.cli.report import size


def shape_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values as people read them, in the order in which one wants to know."""
    rows = [("kind", found["kind"]), ("file", found["path"]), ("format", f"{found['format']}, {size(found['bytes'])}")]
    rows += _mesh(found) if found["kind"] == "mesh" else _points(found)
    problems = found["problems"]
    rows += [("problems" if i == 0 else "", problem) for i, problem in enumerate(problems)]
    return rows if problems else [*rows, ("problems", "none found")]


def _mesh(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("vertices", f"{found['vertices']:,}"), ("faces", f"{found['faces']:,}"), *_extent(found)]
    rims = found["boundary_loops"]
    surface = (
        "watertight"
        if found["watertight"]
        else f"open, {rims:,} {'rim' if rims == 1 else 'rims'} of {found['boundary_edges']:,} edges"
        if rims
        else "not watertight"
    )
    genus = "" if found["genus"] is None else f", genus {found['genus']}"
    euler = f"Euler characteristic {found['euler_characteristic']}{genus}"
    pieces = found["components"]
    rows += [
        ("surface", f"{surface}, {'manifold' if found['manifold'] else 'not manifold'}, {euler}"),
        ("pieces", f"{pieces:,}"),
        ("area", f"{found['area']:.6g}"),
        ("volume", "none, it is not watertight" if found["volume"] is None else f"{found['volume']:.6g}"),
    ]
    if found["edge_length"] is not None:
        rows.append(("edge length", f"{found['edge_length']:.4g} (median)"))
    texture = found["texture"]
    held = [
        name
        for name, there in (("vertex normals", found["normals"]), ("colours", found["colors"]), ("uv", found["uv"]))
        if there
    ]
    held += [f"texture {texture[0]}x{texture[1]}"] if texture else []
    return [*rows, ("attributes", ", ".join(held) or "none")]


def _points(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("points", f"{found['points']:,} ({found['precision']})"), *_extent(found)]
    if found["spacing"] is not None:
        rows.append(("spacing", f"{found['spacing']:.4g} (median distance to the next point)"))
    held = [name for name, there in (("normals", found["normals"]), ("colours", found["colors"])) if there]
    return [*rows, ("attributes", ", ".join([*held, *found["scalars"]]) or "none")]


def _extent(found: dict[str, Any]) -> list[tuple[str, str]]:
    if found["bounds"] is None:
        return []
    digits = [max(6, _digits(low, high)) for low, high in zip(*found["bounds"])]
    boxes = (f"[{low:.{d}g}, {high:.{d}g}]" for low, high, d in zip(*found["bounds"], digits))
    return [
        ("bounds", " x ".join(boxes)),
        ("size", " x ".join(f"{length:.4g}" for length in found["size"])),
        ("unit", found["unit"]),
    ]


def _digits(low: float, high: float) -> int:
    """As many as it takes to tell both ends apart, to a thousandth of the side."""
    side, largest = high - low, max(abs(low), abs(high))
    return 1 if side <= 0 or largest <= 0 else min(17, len(str(int(largest / side))) + 3)
