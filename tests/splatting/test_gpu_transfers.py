"""What goes to a GPU and comes back beside the computation: in which order, when it is used. The GPU is pretended."""

from contextlib import contextmanager

import pytest
import torch

from geokit.splatting.photographs import Carrier, placed
from geokit.splatting.reading import LateReading

GPU = torch.device("meta")


class Stream:
    def __init__(self, name, told):
        self.name, self.told = name, told

    def wait_stream(self, other):
        self.told.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def told(monkeypatch):
    """What streams are asked for, in order."""
    told, inside = [], ["main"]
    main, move = Stream("main", told), torch.Tensor.to

    @contextmanager
    def stream(other):
        inside.append(other.name)
        yield
        inside.pop()

    def to(tensor, device, **options):
        told.append(f"copy on {inside[-1]}")
        assert options == {"non_blocking": True}
        return move(tensor, device, **options)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("side", told))
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: told.append(f"kept for {stream.name}"))
    return told


def test_the_photograph_that_is_expected_comes_on_a_stream_of_its_own(told):
    carrier, first, second = Carrier(GPU), torch.zeros(4, 3, 3), torch.ones(4, 3, 3)
    assert carrier.take(first).device == GPU
    assert told == ["copy on main"]
    told.clear()
    carrier.expect(second)
    assert carrier.take(second).device == GPU
    assert told == ["copy on side", "main waits for side", "kept for main"]


def test_another_photograph_than_the_expected_is_brought_at_once(told):
    carrier, first, second = Carrier(GPU), torch.zeros(4, 3, 3), torch.zeros(4, 3, 3)
    carrier.expect(first)
    carrier.take(second)
    assert told == ["copy on side", "copy on main"]
    told.clear()
    carrier.take(first)  # what was expected before is not kept
    assert told == ["copy on main"]


def test_photographs_that_are_there_are_not_moved(told):
    there = torch.zeros(4, 3, 3, device=GPU)
    carrier = Carrier(GPU)
    carrier.expect(there)
    assert carrier.take(there) is there
    assert told == []


def test_photographs_stay_in_main_memory_where_they_would_fill_the_gpu(monkeypatch):
    pictures = [[torch.zeros(100, 100, 3, dtype=torch.uint8)] * 4, [torch.zeros(50, 50, 3, dtype=torch.uint8)] * 4]
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor.numel()) or tensor)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400_000, 800_000))
    found = placed(pictures, torch.device("cuda"))
    assert pinned == [30_000] * 4 + [7_500] * 4
    assert all(picture.device.type == "cpu" for level in found for picture in level)
    found = placed(pictures, GPU)
    assert all(picture.device == GPU for level in found for picture in level)
    assert placed(pictures, torch.device("cpu")) == pictures


class OfTheGpu(torch.Tensor):
    """A number that says it is on a GPU."""

    @property
    def device(self):
        return torch.device("cuda")


class Event:
    """Is passed at the third question."""

    def __init__(self):
        self.asked = 0

    def record(self, stream):
        self.asked = 0

    def query(self):
        self.asked += 1
        return self.asked > 2


def test_a_number_is_read_when_it_has_come(monkeypatch):
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, pin_memory=False, **options: zeros(*size, **options))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    number = torch.tensor([41]).as_subclass(OfTheGpu)
    reading = LateReading()
    assert reading.answer() is None, "nothing was asked"
    reading.ask(number)
    number += 1  # the work that comes later
    assert [reading.answer() for _ in range(4)] == [None, None, 41, None]
    reading.ask(number)
    reading.ask(number + 7)  # one at a time
    assert [reading.answer() for _ in range(3)] == [None, None, 42]


def test_on_the_cpu_an_answer_is_there_at_once():
    reading, number = LateReading(), torch.tensor([5])
    reading.ask(number)
    number += 1
    assert reading.answer() == 5
    assert reading.answer() is None
