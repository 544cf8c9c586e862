"""The emulated GPU: its orders are different orders of the threads, and each is the same every time."""

import itertools

import pytest
import torch

emulated = pytest.importorskip("geokit._emulated", reason="this build is not for development")


def _raced(order: int, apart: int) -> torch.Tensor:
    """What a step of Adam makes of its parameter and its first moment, that many values apart in one memory."""
    count = 300
    memory, second, gradient = (torch.linspace(low, 2, count + apart) for low in (1, 0, -1))
    parameter, first = memory[:count], memory[apart : apart + count]
    emulated.set_order(order)
    arrays = parameter, gradient[:count].contiguous(), first, second[:count].contiguous()
    emulated.adam_step(0, *arrays, torch.ones(count), 0.9, 0.999, 1e-15, 1, None)
    emulated.set_order(0)
    return memory


def test_the_order_of_the_threads_is_another_one():
    """Apart by 1, a thread's first moment is the next thread's parameter: what comes out tells who came first."""
    found = [_raced(order, 1) for order in (0, 1, 20, 21)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(found, 2))


@pytest.mark.parametrize("order", [0, 1, 20])
def test_an_order_is_the_same_every_time(order):
    assert torch.equal(_raced(order, 1), _raced(order, 1))


def test_threads_that_share_nothing_may_come_in_any_order():
    found = [_raced(order, 300) for order in (0, 1, 20, 21)]
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_a_module_of_the_same_functions():
    """What stands for the module of a real GPU tells of no GPU's code and of no driver."""
    assert (emulated.architectures(), emulated.toolkit_version(), emulated.driver_version()) == ("emulated", 0, 0)
