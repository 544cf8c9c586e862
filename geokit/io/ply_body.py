"""The body of a .ply file: elements one after the other, their columns and lists, ascii and binary alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geokit.backend.file_ops import RowLayout, as_bytes, parse_numbers
from geokit.errors import UnreadableFile
from geokit.io.ply_header import Element, Header
from geokit.io.safe import check_count


class Body:
    """The elements of a .ply one after the other, ascii or binary alike.

    An ascii body is read as numbers first and then stepped through like rows of float64.
    """

    def __init__(self, path: Path, data: bytes, header: Header) -> None:
        self._path, self._header = path, header
        self._data, self._place = as_bytes(data), header.body
        self._numbers = False  # whether the data are the numbers of an ascii body

    def skip(self, element: Element) -> None:
        """Step over an element."""
        self._rows(element, {})

    def read(self, element: Element) -> "Table":
        """The columns of an element."""
        table: dict[str, np.ndarray | Lists] = {}
        rows = self._rows(element, table)
        return Table(element, rows, table)

    def _rows(self, element: Element, table: "dict[str, np.ndarray | Lists]") -> np.ndarray | None:
        ascii_text = self._header.ascii and not self._numbers
        self._check_least(element, 2 if ascii_text else 8 if self._numbers else None)
        if ascii_text and element.flat:
            return self._flat_text(element)
        if ascii_text:
            self._read_all_numbers(element)
        types = ["f8" if self._numbers else p.type for p in element.properties]
        order = "=" if self._numbers else self._header.order
        if element.flat:
            row = np.dtype([(p.name, order + code) for p, code in zip(element.properties, types)])
            rows = np.frombuffer(self._data, row, element.count, self._place)
            self._place += rows.nbytes
            return rows
        counters = [p.counted_by and ("f8" if self._numbers else p.counted_by) for p in element.properties]
        layout = RowLayout(counters, types, np.dtype(order + "i4") != np.dtype("=i4"))
        found, end, totals, shortest, longest = layout.measure(self._data, self._place, element.count)
        if found < element.count:
            raise UnreadableFile(
                f"{self._path} promises {element.count} of {element.name} but number {found} (from 0) has a list "
                "that does not fit into what follows; the file is truncated or damaged: copy or export it again"
            )
        if element.count:
            self._lists(element, types, order, layout, totals, end, shortest == longest, longest, table)
        self._place = end
        return None

    def _check_least(self, element: Element, bytes_each: int | None) -> None:
        least = sum(bytes_each or np.dtype(p.counted_by or p.type).itemsize for p in element.properties)
        what = "vertices" if element.name == "vertex" else f"of {element.name}"
        left = len(self._data) - self._place + (bytes_each == 2)
        check_count(self._path, what, element.count, max(least, 1), left)

    def _flat_text(self, element: Element) -> np.ndarray:
        width = len(element.properties)
        numbers, place, complete = parse_numbers(self._data[self._place :], element.count * width)
        if not complete:
            self._not_a_number(self._place + place)
        if len(numbers) < element.count * width:
            what = "vertices" if element.name == "vertex" else f"of {element.name}"
            raise UnreadableFile(
                f"{self._path} promises {element.count} {what} but has numbers for {len(numbers) // max(width, 1)}; "
                "export it again"
            )
        self._place += place
        return numbers.view(np.dtype([(p.name, "f8") for p in element.properties])) if width else numbers

    def _read_all_numbers(self, element: Element) -> None:
        numbers, place, complete = parse_numbers(self._data[self._place :])
        if not complete:
            self._not_a_number(self._place + place)
        self._data, self._place, self._numbers = numbers.view(np.uint8), 0, True
        self._check_least(element, 8)

    def _not_a_number(self, place: int) -> None:
        line = 1 + self._data[:place].tobytes().count(b"\n")
        word = self._data[place : place + 20].tobytes().split()[0].decode("ascii", "replace")
        raise UnreadableFile(f"{self._path} has something other than numbers in line {line}: {word!r}; export it again")

    def _lists(
        self, element: Element, types: list[str], order: str, layout: RowLayout, totals: np.ndarray,
        end: int, uniform: np.ndarray, longest: np.ndarray, table: "dict[str, np.ndarray | Lists]",
    ) -> None:  # fmt: skip
        if uniform.all() and end - self._place < 2**31:  # every row has the same size: numpy reads them at once
            fields: list[tuple] = []
            for p, code, length in zip(element.properties, types, longest):
                if p.counted_by is None:
                    fields.append((p.name, order + code))
                else:
                    counter = "f8" if self._numbers else p.counted_by
                    fields += [(f" {p.name}", order + counter), (p.name, order + code, (int(length),))]
            rows = np.frombuffer(self._data, np.dtype(fields), element.count, self._place)
            for p, length in zip(element.properties, longest):
                values = _native(rows[p.name])
                lengths = np.full(element.count, length, np.int32)
                table[p.name] = values if p.counted_by is None else Lists(lengths, values.reshape(-1))
            return
        for j, (p, code) in enumerate(zip(element.properties, types)):
            lengths, items = layout.copy(self._data, self._place, element.count, j, int(totals[j]))
            values = _native(items.view(order + code))
            table[p.name] = values if p.counted_by is None else Lists(lengths, values)


class Lists(NamedTuple):
    """One property of lists: lengths (count,) int32 and all their items one after the other."""

    lengths: np.ndarray
    items: np.ndarray


class Table:
    """The columns of one element, in native byte order.

    Numbers of ascii files come in the declared type where they fit it, as float64 otherwise.
    """

    def __init__(self, element: Element, rows: np.ndarray | None, columns: "dict[str, np.ndarray | Lists]") -> None:
        self.element, self._rows, self._columns = element, rows, columns
        self._types = {p.name: p.type for p in element.properties}

    def names(self, lists: bool = False) -> list[str]:
        """The names of the columns of single values, or of lists, in the order of the file."""
        return [p.name for p in self.element.properties if (p.counted_by is not None) == lists]

    def column(self, name: str) -> np.ndarray:
        """The values (count,) of one property."""
        if self._rows is None and not self._columns:
            return np.empty(0, self._types[name])
        values = self._columns[name] if self._rows is None else self._rows[name]
        assert isinstance(values, np.ndarray)
        return _fitted(_native(values), self._types[name])

    def columns(self, *names: str) -> np.ndarray:
        """Several of them side by side, (count, len(names)), in the widest of their types."""
        block = self._block(names)
        return np.stack([self.column(name) for name in names], axis=1) if block is None else block

    def lists(self, name: str) -> Lists:
        """One property of lists."""
        if not self._columns:
            return Lists(np.empty(0, np.int32), np.empty(0, self._types[name]))
        found = self._columns[name]
        assert isinstance(found, Lists)
        return Lists(found.lengths, _fitted(found.items, self._types[name]))

    def _block(self, names: Sequence[str]) -> np.ndarray | None:
        """The columns in one copy where they stand side by side with the same type."""
        if self._rows is None or self._rows.dtype.names is None or not len(self._rows):
            return None
        places = [self._rows.dtype.fields[name] for name in names]  # type: ignore[index]
        kind, first = places[0][0], places[0][1]
        if any(place[0] != kind or place[1] != first + i * kind.itemsize for i, place in enumerate(places)):
            return None
        whole = np.dtype(
            {"names": ["all"], "formats": [(kind, (len(names),))], "offsets": [first], "itemsize": self._rows.itemsize}
        )
        values = _native(self._rows.view(whole)["all"])
        wanted = {self._types[name] for name in names}
        return _fitted(values, wanted.pop()) if len(wanted) == 1 else None


def _native(values: np.ndarray) -> np.ndarray:
    """The values contiguous, in the byte order of the machine."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _fitted(values: np.ndarray, code: str) -> np.ndarray:
    """Numbers that were text in the type that the header declares, where they fit it."""
    wanted = np.dtype(code)
    if values.dtype == wanted or values.dtype != np.float64:
        return values
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(wanted)
    limits = np.iinfo(wanted)
    fits = values.size == 0 or (values.min() >= limits.min and values.max() <= min(limits.max, 2**53))
    if not fits or not (values == np.floor(values)).all():
        return values
    return values.astype(wanted)


def read_element(path: Path, data: bytes, header: Header, name: str) -> Table | None:
    """The columns of one element, the earlier ones being stepped over; None where there is no such element."""
    body = Body(path, data, header)
    for element in header.elements:
        if element.name == name:
            return body.read(element)
        body.skip(element)
    return None
