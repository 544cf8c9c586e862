"""Flips to an intrinsic Delaunay triangulation on plain lists: slow and obvious. Sides are numbered 3 f + s."""

import math

from torch import Tensor


def cover(faces: list[list[int]], places: Tensor) -> tuple[list[list[int]], dict[int, int]]:
    """Every face and its turned copy, glued around every edge in the order of angles, seen along the edge."""
    count = len(faces)
    doubled = faces + [[a, c, b] for a, b, c in faces]
    edges: dict[tuple[int, int], list[int]] = {}
    for side in range(3 * count):
        edges.setdefault(tuple(sorted(ends(doubled, side))), []).append(side)  # type: ignore[arg-type]
    glue = {}
    for (low, high), sides in edges.items():
        axis = places[high] - places[low]

        def angle(side: int, axis: Tensor = axis, low: int = low, first: int = sides[0]) -> float:
            def out(s: int) -> Tensor:
                to = places[doubled[s // 3][(s + 2) % 3]] - places[low]
                return to - axis * (to @ axis) / (axis @ axis)

            a, b = out(first), out(side)
            turn = math.atan2(float(a.cross(b, dim=0) @ axis) / float(axis.norm()), float(a @ b))
            return turn % (2 * math.pi) if abs(turn) > 1e-12 else 0.0

        sides.sort(key=angle)
        for one, following in zip(sides, sides[1:] + sides[:1]):
            on = one if ends(doubled, one)[0] == low else turned(one, count)
            back = turned(following, count) if ends(doubled, following)[0] == low else following
            glue[on], glue[back] = back, on
    return doubled, glue


def turned(side: int, count: int) -> int:
    """The same side on the turned copy."""
    return 3 * (count + side // 3) + 2 - side % 3


def ends(faces: list[list[int]], side: int) -> tuple[int, int]:
    face = faces[side // 3]
    return face[side % 3], face[(side + 1) % 3]


def cotangents(lengths: list[float]) -> list[float]:
    """Of the angles opposite to each side."""
    found = []
    for s in range(3):
        a, b, c = lengths[s], lengths[(s + 1) % 3], lengths[(s + 2) % 3]
        found.append(1 / math.tan(math.acos(max(-1.0, min(1.0, (b * b + c * c - a * a) / (2 * b * c))))))
    return found


def delaunay(faces: list[list[int]], lengths: list[list[float]], glue: dict[int, int]) -> None:
    """Flips any edge that is not Delaunay until there is none, in place."""
    while True:
        for h in range(3 * len(faces)):
            g = glue[h]
            if h // 3 != g // 3 and cotangents(lengths[h // 3])[h % 3] + cotangents(lengths[g // 3])[g % 3] < -1e-9:
                flip(faces, lengths, glue, h)
                break
        else:
            return


def flip(faces: list[list[int]], lengths: list[list[float]], glue: dict[int, int], h: int) -> None:
    g = glue[h]
    (f, s), (e, t) = divmod(h, 3), divmod(g, 3)
    u, v = ends(faces, h)
    p, q = faces[f][(s + 2) % 3], faces[e][(t + 2) % 3]
    l, vp, pu = (lengths[f][(s + i) % 3] for i in range(3))
    _, uq, qv = (lengths[e][(t + i) % 3] for i in range(3))
    at_u = math.acos((l * l + pu * pu - vp * vp) / (2 * l * pu)) + math.acos((l * l + uq * uq - qv * qv) / (2 * l * uq))
    crossing = math.sqrt(pu * pu + uq * uq - 2 * pu * uq * math.cos(at_u))
    old = {"vp": 3 * f + (s + 1) % 3, "pu": 3 * f + (s + 2) % 3, "uq": 3 * e + (t + 1) % 3, "qv": 3 * e + (t + 2) % 3}
    new = {old["uq"]: 3 * f, old["pu"]: 3 * f + 2, old["vp"]: 3 * e, old["qv"]: 3 * e + 2}
    partners = {side: glue[side] for side in new}
    for side, partner in partners.items():
        here, there = new[side], new.get(partner, partner)
        glue[here], glue[there] = there, here
    glue[3 * f + 1], glue[3 * e + 1] = 3 * e + 1, 3 * f + 1
    faces[f], faces[e] = [u, q, p], [v, p, q]
    lengths[f], lengths[e] = [uq, crossing, pu], [vp, crossing, qv]
