"""The native readers against slow, obvious Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend.file_ops import RowLayout, count_words, merge_rows, parse_numbers, triangulate_polygons

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.floats(width=32).map(lambda x: f"{x:.9g}"),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(
        ["+1", "-.5", "5.", "1e400", "-1E-400", "+inf", "NaN", "Infinity", "0" * 400 + "1", "1" * 400, "00.1e1"]
    ),
    st.tuples(st.integers(0, 10**30), st.integers(-400, 400)).map(lambda pair: f"{pair[0]}e{pair[1]}"),
)
SPACES = st.sampled_from([" ", "\t", "\n", "\r\n", "  ", " \n "])


@given(st.lists(st.tuples(NUMBERS, SPACES), max_size=30), SPACES)
@settings(max_examples=150, deadline=None)
def test_numbers_are_those_that_python_reads(words: list[tuple[str, str]], space: str) -> None:
    text = space + "".join(word + after for word, after in words)
    numbers, place, complete = parse_numbers(text.encode())
    assert complete
    assert place == len(text)
    assert count_words(text.encode()) == len(words)
    assert np.array_equal(numbers, np.array([float(word) for word, _ in words]), equal_nan=True)


@pytest.mark.parametrize(
    "word", ["one", "1,5", "0x10", "1e", "1e+", "--1", "+-1", "1_000", "½", "1\0", "nanx", ".", "-", "1.2.3"]
)
def test_what_is_no_number_is_where_reading_stops(word: str) -> None:
    text = f"1 2\n {word} 3".encode()
    numbers, place, complete = parse_numbers(text)
    assert (numbers.tolist(), complete) == ([1, 2], False)
    assert text[place:].startswith(word.encode())


def test_only_so_many_numbers() -> None:
    numbers, place, complete = parse_numbers(b"1 2 3 four", 3)
    assert (numbers.tolist(), place, complete) == ([1, 2, 3], 6, True)
    numbers, _, complete = parse_numbers(b"1 2", 3)
    assert (numbers.tolist(), complete) == ([1, 2], True)


@given(st.integers(0, 60), st.integers(1, 4), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_equal_rows_become_one(count: int, width: int, kind: type, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(-1, 2, (count, width)).astype(kind)
    rows[::2] *= -1  # zeros of both signs
    seen: dict[tuple, int] = {}
    wanted = [seen.setdefault(tuple(row), len(seen)) for row in rows.tolist()]
    firsts, ids = merge_rows(rows)
    assert ids.tolist() == wanted
    assert np.array_equal(rows[firsts][ids], rows)


def shoelace(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@given(st.integers(3, 40), st.integers(0, 2), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_polygons_that_are_not_convex_are_covered_once(count: int, axis: int, seed: int) -> None:
    """Stars: any radius at ascending angles makes a simple polygon, which triangles of one orientation tile."""
    g = np.random.default_rng(seed)
    angles = np.sort(g.uniform(0, 2 * math.pi, count))
    if np.diff(angles, append=angles[0] + 2 * math.pi).max() >= math.pi:
        angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    ring = g.uniform(0.1, 1, (count, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vertices = np.roll(np.concatenate([ring, np.zeros((count, 1))], axis=1), axis, axis=1)
    order = g.permutation(count)
    items = np.argsort(order).astype(np.int32)
    triangles, unfinished = triangulate_polygons(np.array([count], np.int32), items, vertices[order])
    assert unfinished == 0
    assert triangles.shape == (count - 2, 3)
    areas = np.array([shoelace(ring[corner]) for corner in triangles])
    assert (areas > -1e-12).all()
    assert areas.sum() == pytest.approx(shoelace(ring))


def test_polygons_without_a_plane_or_a_number_are_fans() -> None:
    vertices = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2], [np.nan, 0, 0], [np.inf, 0, 0], [1e308, -1e308, 1e308]])
    for corners in ([0, 0, 0, 0], [0, 1, 2, 1, 0], [0, 3, 1, 2, 4], [5, 0, 4, 5, 1, 2]):
        items = np.array(corners, np.int32)
        triangles, _ = triangulate_polygons(np.array([len(items)], np.int32), items, vertices)
        assert len(triangles) == len(items) - 2
        assert sorted(np.unique(triangles)) == list(range(len(items)))


def test_the_effort_for_ears_is_bounded() -> None:
    """A spiral is the worst for ears: most corners turn the wrong way, and every test looks at all of them."""
    turns = np.linspace(0, 200, 20_000)
    outer = np.stack([(1 + turns) * np.cos(turns), (1 + turns) * np.sin(turns)], axis=1)
    ring = np.concatenate([outer, 0.99 * outer[::-1]])
    vertices = np.concatenate([ring, np.zeros((len(ring), 1))], axis=1)
    items = np.arange(len(ring), dtype=np.int32)
    triangles, _ = triangulate_polygons(np.array([len(ring)], np.int32), items, vertices)
    assert len(triangles) == len(ring) - 2


def test_arrays_that_do_not_fit_are_refused() -> None:
    layout = RowLayout(["u1"], ["i4"], swapped=False)
    data = np.array([2, 0, 0, 0, 1, 0, 0, 0, 2], np.uint8)
    assert layout.measure(data, 0, 1)[:2] == (1, 9)
    assert layout.measure(data[:-1], 0, 1)[:2] == (0, 0)
    with pytest.raises(ValueError, match="inside the data"):
        layout.measure(data, 10, 1)
    with pytest.raises(ValueError, match="items must hold what the rows hold"):
        layout.copy(data, 0, 1, 0, 3)
    with pytest.raises(ValueError, match="items must name vertices"):
        triangulate_polygons(np.array([3], np.int32), np.array([0, 1, 3], np.int32), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="as many values as lengths say"):
        triangulate_polygons(np.array([4], np.int32), np.array([0, 1, 2], np.int32), np.zeros((3, 3)))
