"""Graphs of nodes: against brute force, cloud by cloud."""

import pytest
import torch

from geokit.equivariant import position_orientation as po
from geokit.errors import InvalidInput

BATCH = torch.tensor([0, 0, 0, 0, 2, 2, 3])


def pairs(edges):
    found = set(map(tuple, edges.T.tolist()))
    assert len(found) == edges.shape[1]
    return found


def wanted(hears, loops):
    n = range(len(BATCH))
    return {(j, i) for i in n for j in n if BATCH[i] == BATCH[j] and ((i == j and loops) or (i != j and hears(i, j)))}


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("dim", [2, 3])
def test_edges_are_those_of_brute_force(dim, loops):
    x = torch.randn(len(BATCH), dim, generator=torch.Generator().manual_seed(0))
    distance = torch.cdist(x, x)
    assert pairs(po.complete_edges(BATCH, loops)) == wanted(lambda i, j: True, loops)
    assert pairs(po.radius_edges(x, 1.4, BATCH, loops)) == wanted(lambda i, j: distance[i, j] <= 1.4, loops)

    def near(i, j):
        others = [n for n in range(len(BATCH)) if n != i and BATCH[n] == BATCH[i]]
        return j in sorted(others, key=lambda n: distance[i, n])[:2]

    assert pairs(po.nearest_edges(x, 2, BATCH, loops)) == wanted(near, loops)


def test_one_row_for_both_directions_and_one_for_all_loops():
    graph = po.Graph.from_edges(po.complete_edges(BATCH), BATCH)
    assert len(graph.representatives) == 1 + 6 + 1
    key = [frozenset(e) if e[0] != e[1] else None for e in zip(graph.senders.tolist(), graph.receivers.tolist())]
    for row, (edge, some) in enumerate(zip(key, graph.rows)):
        assert key[graph.representatives[some]] == edge, row


def test_slots_join_what_they_should():
    graph = po.Graph.from_edges(po.complete_edges(BATCH), BATCH)
    slots = graph.directions(2)
    assert slots is graph.directions(2)
    count = len(slots.senders)
    assert count == 4 * 3 + 2 + 2 * len(BATCH)
    across, within = (set(zip(p.senders.tolist(), p.receivers.tolist())) for p in (slots.across, slots.within))
    every = [(a, b) for a in range(count) for b in range(count)]
    assert across == {(p, e) for p, e in every if slots.receivers[p] == slots.senders[e]}
    assert within == {(e, q) for e, q in every if slots.receivers[e] == slots.receivers[q]}


def test_clouds_out_of_order_get_a_sentence():
    with pytest.raises(InvalidInput, match="ascending"):
        po.complete_edges(torch.tensor([1, 0]))


def test_positions_of_other_dimensions_get_a_sentence():
    for n in (1, 4):
        with pytest.raises(InvalidInput, match="positions must be"):
            po.nearest_edges(torch.zeros(5, n), 2)
