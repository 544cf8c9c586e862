"""Edges in groups and the messages along them on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend import graph_ops
from geokit.backend.fiber_ops import fiber_convolution
from geokit.backend.graph_ops import edge_groups, group_edges
from geokit.errors import InvalidInput
from tests.backend.test_fiber_convolution import SIZES, inputs
from tests.reference.agreement import assert_agrees

MORE = {
    "a receiver of most edges": (40, 3, 900, 5, 16, 4, 1),
    "many edges of few rows": (30, 30, 700, 2, 16, 20, 2),
    "no rows of some weights": (6, 6, 8, 8, 16, 8, 50),
    "as networks of points": (20, 20, 160, 12, 64, 4, 90),
}


@pytest.mark.parametrize("sizes", [*SIZES.values(), *MORE.values()], ids=[*SIZES, *MORE])
def test_messages_and_their_gradients(device, sizes):
    leaves, (*indices, n, m, k) = inputs(sizes)

    def received(*arguments):
        tensors, edges = arguments[:3], edge_groups(*arguments[3:], n, m, k)
        return fiber_convolution(*tensors, edges)

    assert_agrees(device, received, *leaves, *indices)


@pytest.mark.parametrize("asked", [(0,), (1,), (2,), (1, 2)])
def test_second_derivatives(device, asked):
    leaves, (*indices, n, m, k) = inputs((5, 6, 14, 3, 16, 4, 3))

    def pulled(*arguments):
        tensors, edges = arguments[:3], edge_groups(*arguments[3:], n, m, k)
        out = fiber_convolution(*tensors, edges)
        return torch.autograd.grad((out**2).sum(), [tensors[i] for i in asked], create_graph=True)

    assert_agrees(device, pulled, *leaves, *indices)


def test_arrays_that_are_strided_or_begin_anywhere(device):
    leaves, (*indices, n, m, k) = inputs((7, 7, 20, 5, 16, 4, 3))

    def received(features, weights, profiles, *indices):
        strided = features.permute(2, 1, 0).contiguous().permute(2, 1, 0)
        shifted = torch.cat([weights.new_zeros(1), weights.flatten()])[1:].view_as(weights)
        return fiber_convolution(strided, shifted, profiles, edge_groups(*indices, n, m, k))

    assert_agrees(device, received, *leaves, *indices)


@pytest.mark.parametrize(("things", "groups"), [(0, 0), (0, 5), (1, 1), (700, 1), (700, 256), (700, 257), (300, 5000)])
def test_groups(device, things, groups):
    keys = torch.randint(max(groups, 1), (things,), generator=torch.Generator().manual_seed(groups))
    assert_agrees(device, lambda keys: group_edges(keys, groups), keys)
    assert_agrees(device, lambda keys: group_edges(keys.flip(0)[::2], groups), keys)


@pytest.mark.parametrize("value", [4, -1, 2**40])
def test_a_key_out_of_range_is_refused(device, value):
    keys = torch.zeros(600, dtype=torch.int64)
    keys[[300, 500]] = value
    with pytest.raises(InvalidInput, match=rf"senders must be at least 0 and below 4, but senders\[300\] is {value}"):
        device(group_edges, keys, 4, "senders")


def test_too_many_groups_are_refused_before_any_memory_is_asked_for():
    with pytest.raises(InvalidInput, match=r"senders must be fewer than 2\^31 in fewer than 2\^31 groups on a GPU"):
        graph_ops._group_on_gpu(torch.zeros(1, dtype=torch.int64), 2**31, "senders")
