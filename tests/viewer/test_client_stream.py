"""When a client is drawn for, and how large."""

import pytest
from geokit.viewer import client_stream
from geokit.viewer.client_stream import BUDGET, REST, ClientStream, Resolution


class Wire:
    on_the_way = 0


def test_drafts_while_it_moves_then_one_whole_picture_then_nothing():
    stream = ClientStream(Wire(), moved_at=10.0)
    assert stream.next_step(1, False, 10.01) == ("draft", None)
    stream.drawn = (1, 1)
    step, patience = stream.next_step(1, False, 10.02)
    assert step is None
    assert patience == pytest.approx(REST - 0.02)
    stream.moved(10.1)
    assert stream.next_step(1, False, 10.11) == ("draft", None)
    stream.drawn = (2, 1)
    assert stream.next_step(1, False, 10.11 + REST) == ("full", None)
    stream.drawn_full = True
    assert stream.next_step(1, False, 99.0) == (None, None)
    assert stream.next_step(2, False, 99.0) == ("full", None)
    assert stream.next_step(2, True, 99.0) == ("clear", None)


def test_a_slow_client_is_drawn_for_only_when_it_has_taken_a_picture():
    stream = ClientStream(Wire(), moved_at=10.0)
    stream.wire.on_the_way = client_stream.MOST_ON_THE_WAY
    assert stream.next_step(1, False, 10.0) == (None, None)
    assert stream.next_step(1, True, 10.0) == (None, None)  # nothing was drawn, nothing is to be cleared
    stream.wire.on_the_way -= 1
    assert stream.next_step(1, False, 10.0) == ("draft", None)


def learnt(whole: float, noise: tuple[float, ...] = (1.0,)) -> tuple[Resolution, set[float]]:
    """After many pictures that take `whole` seconds for the whole canvas, and the shares of the last of them."""
    resolution, shares = Resolution(), []
    for factor in noise * (40 // len(noise)):
        resolution.learn(resolution.share, factor * whole * Resolution.cost(resolution.share))
        shares.append(resolution.share)
    return resolution, set(shares[20:])


def test_the_share_of_the_canvas_follows_the_time_it_takes():
    assert learnt(0.01)[0].share == 1.0
    assert learnt(0.9)[0].share == min(client_stream._SHARES)
    middle, last = learnt(0.1)
    assert 0.1 * Resolution.cost(middle.share) <= BUDGET < 0.1 * Resolution.cost(middle.share + 0.2)
    assert last == {middle.share}
    assert len(learnt(0.1, (0.97, 1.03))[1]) == 1  # a clock that is not steady makes no flicker
    resolution = learnt(0.9)[0]
    for _ in range(20):
        resolution.learn(resolution.share, 0.01)
    assert resolution.share == 1.0
