"""The messages of position-orientation networks against the reference, and the grouping of edges that they run on."""

import pytest
import torch

from geokit.backend import fiber_ops
from geokit.backend.fiber_ops import fiber_convolution
from geokit.backend.graph_ops import edge_groups, group_edges
from geokit.errors import InvalidInput
from tests.reference import fiber_convolution as reference
from tests.reference.comparison import assert_close, threads

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
# N, M, E, O, C, L, K
SIZES = {
    "plain": (6, 6, 20, 4, 16, 3, 7),
    "weights of each edge, nodes without edges": (9, 30, 12, 5, 32, 4, 12),
    "two nodes, repeated edges and self-loops": (2, 2, 25, 3, 48, 2, 4),
    "no edges": (3, 4, 0, 2, 16, 3, 2),
    "no receivers": (3, 0, 0, 2, 16, 3, 2),
    "no senders": (0, 3, 0, 2, 16, 3, 2),
    "one orientation": (8, 8, 30, 1, 64, 4, 9),
    "one channel, one orientation, one function": (5, 4, 9, 1, 1, 1, 3),
    "odd channels": (5, 5, 14, 7, 37, 5, 3),
    "many channels": (4, 4, 6, 6, 240, 3, 2),
    "many functions": (4, 4, 9, 13, 8, 17, 5),
    "one row": (5, 5, 23, 9, 16, 7, 1),
    "functions beyond a block": (3, 3, 5, 2, 112, 150, 2),
}


def inputs(sizes, dtype=torch.float64, seed=0):
    """Features, weights and profiles, and the indices of the edges with their counts."""
    n, m, e, o, c, l, k = sizes
    g = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((n, o, c), (k, l, c), (e, o, l))]
    indices = [torch.randint(max(count, 1), (e,), generator=g) for count in (n, m, k)]
    return [t.to(dtype).requires_grad_() for t in tensors], (*indices, n, m, k)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SIZES)
def test_values_and_gradients_agree_with_the_reference(name, dtype):
    leaves, graph = inputs(SIZES[name], dtype)
    exact = [t.detach().double().requires_grad_() for t in leaves]
    found = fiber_convolution(*leaves, edge_groups(*graph))
    expected = reference.fiber_convolution(*exact, *graph[:3], graph[4])
    assert found.dtype == dtype
    assert_close("received", found, expected, TOLERANCE[dtype])
    probe = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad((found * probe.to(dtype)).sum(), leaves)
    nothing = sum(0 * t.sum() for t in exact)  # where there are no edges
    theirs = torch.autograd.grad((expected * probe).sum() + nothing, exact)
    for label, a, b in zip(("features", "weights", "profiles"), ours, theirs):
        assert_close(label, a, b, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_row_of_thousands_of_edges_agrees_with_plain_torch(rows, dtype):
    """Such a row is the work of several tasks whose parts are added."""
    leaves, graph = inputs((40, 40, 5000, 3, 24, 6, rows), dtype)
    found = fiber_convolution(*leaves, edge_groups(*graph))
    expected = reference.convolution_at_once(*leaves, *graph[:3], graph[4])
    for a, b in zip((found, *gradients(found, leaves)), (expected, *gradients(expected, leaves))):
        assert_close("result", a, b, 10 * TOLERANCE[dtype])


def operands(graph):
    groups = edge_groups(*graph)
    return [*graph[:3], *groups.by_sender, *groups.by_receiver, *groups.by_row]


def gradients(out, leaves):
    return torch.autograd.grad((out**2).sum(), leaves)


@pytest.mark.parametrize("asked", [(0,), (1,), (2,), (0, 1), (1, 2)])
def test_only_the_gradients_asked_for_are_computed(asked, monkeypatch):
    leaves, graph = inputs(SIZES["plain"])
    everything = gradients(fiber_convolution(*leaves, edge_groups(*graph)), leaves)
    calls = []
    native = fiber_ops._native

    class Spy:
        fiber_convolution = staticmethod(native.fiber_convolution)

        @staticmethod
        def fiber_convolution_backward(*arguments):
            calls.append([bar is not None for bar in arguments[-2:]])
            native.fiber_convolution_backward(*arguments)

    monkeypatch.setattr(fiber_ops, "_native", Spy)
    chosen = [t if i in asked else t.detach() for i, t in enumerate(leaves)]
    found = gradients(fiber_convolution(*chosen, edge_groups(*graph)), [chosen[i] for i in asked])
    assert all(torch.equal(a, everything[i]) for a, i in zip(found, asked))
    assert calls == ([] if asked == (0,) else [[1 in asked, 2 in asked]])


@pytest.mark.parametrize("sizes", [(3, 4, 6, 2, 3, 2, 2), (4, 4, 5, 1, 17, 1, 1)])
def test_first_and_second_derivatives(sizes):
    leaves, graph = inputs(sizes)
    edges = edge_groups(*graph)
    assert torch.autograd.gradcheck(lambda *t: fiber_convolution(*t, edges), leaves)
    assert torch.autograd.gradgradcheck(lambda *t: fiber_convolution(*t, edges), leaves)


def test_results_do_not_depend_on_the_thread_count():
    results = []
    for count in (1, 2):
        with threads(count):
            leaves, graph = inputs((300, 300, 4000, 12, 64, 4, 3), torch.float32)
            found = fiber_convolution(*leaves, edge_groups(*graph))
            results.append([found, *gradients(found, leaves)])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_strided_inputs_give_what_contiguous_ones_give():
    leaves, graph = inputs(SIZES["odd channels"])
    edges = edge_groups(*graph)
    strided = [t.detach().permute(2, 1, 0).contiguous().permute(2, 1, 0) for t in leaves]
    assert torch.equal(fiber_convolution(*strided, edges), fiber_convolution(*leaves, edges))


def grouped_and_convolved(features, weights, profiles, senders, receivers, rows):
    edges = edge_groups(senders, receivers, rows, features.shape[0], 5, weights.shape[0])
    once = fiber_convolution(features, weights, profiles, edges)
    return fiber_convolution(once, weights, profiles, edges)


@pytest.mark.slow
def test_compiled_equals_eager():
    compiled = torch.compile(grouped_and_convolved, fullgraph=True)
    for e in (11, 14):  # the second time with another number of edges, to recompile with a dynamic size
        results = []
        for function in (grouped_and_convolved, compiled):
            leaves, graph = inputs((5, 5, e, 3, 20, 4, 6), torch.float32)
            out = function(*leaves, *graph[:3])
            results.append([out, *gradients(out, leaves)])
        for eager, other in zip(*results):
            assert_close("compiled", other, eager, 1e-6)


@pytest.mark.slow
def test_groups_made_outside_pass_into_a_compiled_function():
    leaves, graph = inputs(SIZES["plain"])
    edges = edge_groups(*graph)
    compiled = torch.compile(fiber_convolution, fullgraph=True)
    assert torch.equal(compiled(*leaves, edges), fiber_convolution(*leaves, edges))


def test_groups_hold_each_edge_once_in_order():
    keys = torch.tensor([3, 0, 3, 5, 0, 3])
    offsets, order = group_edges(keys, 7)
    assert offsets.tolist() == [0, 2, 2, 2, 5, 5, 6, 6]
    assert order.tolist() == [1, 4, 0, 2, 5, 3]
    offsets, order = group_edges(keys[:0], 0)
    assert (offsets.tolist(), order.tolist()) == ([0], [])


def test_edges_describe_themselves():
    _, graph = inputs(SIZES["plain"])
    edges = edge_groups(*graph)
    assert (len(edges), edges.sizes) == (20, (6, 6, 7))
    assert repr(edges) == "EdgeGroups(20 edges from 6 senders to 6 receivers, 7 rows of weights)"


@pytest.mark.parametrize(("value", "place"), [(4, 2), (-1, 0)])
def test_an_index_out_of_range_is_refused(value, place):
    keys = torch.zeros(5, dtype=torch.int64)
    keys[place:] = value
    message = rf"senders must be at least 0 and below 4, but senders\[{place}\] is {value}"
    with pytest.raises(InvalidInput, match=message):
        group_edges(keys, 4, "senders")


def test_wrong_edges_are_refused():
    _, (senders, receivers, rows, *counts) = inputs(SIZES["plain"])
    with pytest.raises(InvalidInput, match="senders must be int64, got int32"):
        edge_groups(senders.int(), receivers, rows, *counts)
    with pytest.raises(InvalidInput, match=r"rows must have shape \(20\), got \(19,\)"):
        edge_groups(senders, receivers, rows[1:], *counts)
    with pytest.raises(InvalidInput, match="receivers must be on cpu as the senders are, got meta"):
        edge_groups(senders, receivers.to("meta"), rows, *counts)
    with pytest.raises(InvalidInput, match="the number of groups of receivers must be at least 0, got -1"):
        edge_groups(senders, receivers, rows, counts[0], -1, counts[2])
    with pytest.raises(InvalidInput, match=r"rows\[0\] is"):
        edge_groups(senders, receivers, rows, *counts[:2], 0)


def test_wrong_inputs_are_refused():
    (features, weights, profiles), graph = inputs(SIZES["plain"])
    edges = edge_groups(*graph)
    with pytest.raises(InvalidInput, match=r"features must have shape \(6, O, C\), got \(5, 4, 16\)"):
        fiber_convolution(features[1:], weights, profiles, edges)
    with pytest.raises(InvalidInput, match=r"weights must have shape \(7, L, 16\), got \(7, 3, 15\)"):
        fiber_convolution(features, weights[..., 1:], profiles, edges)
    with pytest.raises(InvalidInput, match=r"profiles must have shape \(20, 4, 3\), got \(20, 4, 2\)"):
        fiber_convolution(features, weights, profiles[..., 1:], edges)
    with pytest.raises(InvalidInput, match="weights must be float64, got float32"):
        fiber_convolution(features, weights.float(), profiles, edges)
    with pytest.raises(InvalidInput, match="features must be float32 or float64, got float16"):
        fiber_convolution(features.half(), weights, profiles, edges)
    with pytest.raises(InvalidInput, match="at least one orientation, channel and basis function"):
        fiber_convolution(features, weights[:, :0], profiles[..., :0], edges)
    with pytest.raises(InvalidInput, match="profiles must be on cpu as the edges are, got meta"):
        fiber_convolution(features, weights, profiles.to("meta"), edges)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck_with_gradients(dtype):
    leaves, graph = inputs((4, 5, 9, 3, 16, 2, 3), dtype)
    edges = operands(graph)
    out_bar = torch.randn(5, 3, 16, dtype=dtype, requires_grad=True)
    torch.library.opcheck(torch.ops.geokit.group_edges.default, (graph[0], graph[3], "senders"))
    torch.library.opcheck(torch.ops.geokit.fiber_convolution.default, (*leaves, edges))
    for asked in ((True, True), (True, False), (False, True)):
        arguments = (*leaves, out_bar, edges, *asked)
        torch.library.opcheck(torch.ops.geokit.fiber_convolution_backward.default, arguments)
