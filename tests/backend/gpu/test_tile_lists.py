"""Tile lists on the GPU against the CPU's, with room for all of them and without."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from geokit.backend import tile_ops
from geokit.backend.tile_ops import ListRoom, lists_once, lists_within, tile_intersections, tile_lists
from geokit.errors import InvalidInput
from tests.reference import scenes

DTYPES = [torch.float32, torch.float64]


def screen_of(seed=0, count=150, width=64, height=48, sigma=(0.3, 20.0), conic=None, **changes):
    """means2d, conics, depths, amplitudes, width, height of splats over a picture."""
    screen = scenes.random_screen(seed, count=count, width=width, height=height, sigma=sigma)
    if conic is not None:
        screen = replace(screen, conics=torch.tensor([conic], dtype=torch.float64).repeat(count, 1))
    screen = replace(screen, **{name: change(getattr(screen, name)) for name, change in changes.items()})
    amplitudes = scenes.uniform(scenes.generator(seed), count, high=1.2) ** 3
    return screen.means2d, screen.conics, screen.depths, amplitudes, width, height


def cover(count, width, height):
    """Splats that reach every tile."""
    mean = torch.tensor([[width / 2, height / 2]], dtype=torch.float64)
    flat = torch.tensor([[1e-14, 0.0, 1e-14]], dtype=torch.float64)
    depths = torch.linspace(3.0, 1.0, count, dtype=torch.float64)
    return mean.repeat(count, 1), flat.repeat(count, 1), depths, torch.ones(count, dtype=torch.float64), width, height


SCREENS = {
    "one tile": screen_of(1, width=16, height=16),
    "less than a tile": screen_of(2, width=5, height=3),
    "odd": screen_of(3, count=333, width=200, height=117),
    "wide": screen_of(4, width=1000, height=17),
    "tall": screen_of(5, count=70, width=31, height=1500, sigma=(1.0, 400.0)),
    "256 tiles": screen_of(6, count=90, width=256, height=256),
    "tiny splats": screen_of(7, count=400, width=160, height=90, sigma=(0.01, 0.4)),
    "everywhere": cover(40, 330, 170),
    "huge and tiny": screen_of(8, count=200, width=300, height=200, sigma=(0.05, 3000.0)),
    "needles": screen_of(9, count=64, width=400, height=300, conic=(1.0, 0.99995, 1.0)),
    "needles of a row": screen_of(10, count=64, width=400, height=300, conic=(1e-6, 0.0, 100.0)),
    "equal depths": screen_of(11, count=300, depths=lambda z: (z * 2).round() / 2),
    "one depth": screen_of(12, count=100, depths=torch.ones_like),
    "culled": screen_of(13, depths=torch.zeros_like),
    "behind": screen_of(14, depths=torch.neg),
    "outside": screen_of(15, means2d=lambda x: x + 1e9),
    "not finite": screen_of(16, count=60, means2d=lambda x: torch.where(x > 20, x, torch.nan)),
    "not definite": screen_of(17, conic=(1.0, 2.0, 1.0)),
    "one splat": screen_of(18, count=1, depths=torch.ones_like),
    "no splats": screen_of(19, count=0),
}


def cast(screen, dtype):
    return *(t.to(dtype) for t in screen[:4]), *screen[4:]


def parts(screen, slots=False):
    lists = tile_lists(*screen, slots=slots)
    return lists.offsets, lists.ids, lists.slots, lists.first_slots


def parts_within(screen, capacity, needed, slots=False):
    """The lists within a room, and what the room knows then."""
    room = ListRoom(capacity, needed)
    with lists_within(room):
        found = parts(screen, slots)
    return found, room.needed, room.overflowed()


def pairs_of(offsets, ids):
    """(I, 2) tile and splat of each entry."""
    tiles = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff().long())
    return torch.stack([tiles, ids.long()], -1)


def assert_same_lists(device, found, expected):
    """The same lists; on a real GPU the logarithm rounds otherwise, and a splat may gain or lose a tile it grazes."""
    if device.name != "cuda":
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
        return
    have, want = ({tuple(p) for p in pairs_of(*lists).tolist()} for lists in (found, expected))
    assert len(have ^ want) <= 1e-3 * len(want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCREENS)
def test_lists_are_those_of_the_cpu(device, name, dtype):
    screen = cast(SCREENS[name], dtype)
    found, expected = device(tile_intersections, *screen), tile_intersections(*screen)
    assert [t.dtype for t in found] == [torch.int32] * 2
    assert_same_lists(device, found, expected)


def test_more_tiles_than_keys_of_16_bits_can_tell(device):
    for width, height in ((256 * 16, 256 * 16), (300 * 16, 230 * 16)):  # 65536 tiles, 69000
        screen = cast(screen_of(20, count=50, width=width, height=height, sigma=(1.0, 200.0)), torch.float32)
        expected = tile_intersections(*screen)
        assert_same_lists(device, device(tile_intersections, *screen), expected)
        (offsets, ids, _, _), needed, _ = device(parts_within, screen, 40_000, torch.zeros(1, dtype=torch.int64))
        assert_same_lists(device, (offsets, ids[: int(offsets[-1])]), expected)
        assert int(needed) == int(offsets[-1])


def test_arguments_that_are_not_contiguous(device):
    screen = cast(SCREENS["odd"], torch.float32)
    strided = *(t.T.contiguous().T if t.dim() > 1 else t.repeat_interleave(2)[::2] for t in screen[:4]), *screen[4:]
    assert_same_lists(device, device(tile_intersections, *strided), tile_intersections(*screen))


@pytest.mark.parametrize("name", ["odd", "everywhere", "huge and tiny", "equal depths", "culled", "no splats"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_slots_are_grouped_by_splat(device, name, dtype):
    screen = cast(SCREENS[name], dtype)
    offsets, ids, slots, first_slots = device(parts, screen, slots=True)
    plain_offsets, plain_ids, *nothing = device(parts, screen)
    assert nothing == [None, None]
    assert torch.equal(offsets, plain_offsets)
    assert torch.equal(ids, plain_ids)
    assert torch.equal(slots.sort().values, torch.arange(len(ids), dtype=torch.int32))
    counts = torch.bincount(ids, minlength=len(screen[0]))
    assert torch.equal(first_slots.diff(), counts.int())
    assert int(first_slots[0]) == 0
    splat_of_slot = torch.repeat_interleave(torch.arange(len(counts), dtype=torch.int32), counts)
    assert torch.equal(splat_of_slot[slots.long()], ids)


def nearest_entries(screen, capacity):
    """offsets, ids of the CPU's lists without what lies beyond the first `capacity` pairs of the nearest splats."""
    depths = screen[2]
    offsets, ids = tile_intersections(*screen)
    entries = sorted(pairs_of(offsets, ids).tolist(), key=lambda e: (float(depths[e[1]]), e[1], e[0]))[:capacity]
    entries.sort(key=lambda e: (e[0], float(depths[e[1]]), e[1]))
    counts = torch.bincount(torch.tensor([e[0] for e in entries], dtype=torch.int64), minlength=len(offsets) - 1)
    starts = torch.cat([torch.zeros(1), counts.cumsum(0)]).int()
    return starts, torch.tensor([e[1] for e in entries], dtype=torch.int32), len(ids)


@pytest.mark.parametrize("name", ["odd", "everywhere", "256 tiles", "culled", "no splats"])
@pytest.mark.parametrize("capacity", [1, 700, 3000, 20_000])
@pytest.mark.parametrize("slots", [False, True])
def test_a_room_keeps_the_nearest(device, name, capacity, slots):
    screen = cast(SCREENS[name], torch.float32)
    expected_offsets, expected_ids, total = nearest_entries(screen, capacity)
    found, needed, overflowed = device(parts_within, screen, capacity, torch.tensor([5]), slots)
    offsets, ids, places, first_slots = found
    used = int(offsets[-1])
    assert len(ids) == capacity
    assert used == min(total, capacity)
    assert_same_lists(device, (offsets, ids[:used]), (expected_offsets, expected_ids))
    assert int(needed) == max(total, 5)
    assert bool(overflowed) == (total > capacity or capacity < 5)
    if slots:
        assert torch.equal(places[:used].sort().values, torch.arange(used, dtype=torch.int32))
        counts = torch.bincount(ids[:used], minlength=len(screen[0]))
        assert torch.equal(first_slots.diff(), counts.int())
        assert bool((places[:used] >= first_slots[ids[:used].long()]).all())
        assert bool((places[:used] < first_slots[ids[:used].long() + 1]).all())


def test_more_entries_than_32_bits_can_count(device):
    screen = cast(cover(8300, 262_144 * 16, 16), torch.float32)
    with pytest.raises(InvalidInput, match=r"touch 2,175,795,200 tiles of a 4194304 x 16 picture"):
        device(tile_intersections, *screen)
    if device.name != "cuda":  # which may lack the memory
        (offsets, ids, _, _), needed, overflowed = device(
            parts_within, screen, 300_000, torch.zeros(1, dtype=torch.int64)
        )
        assert int(needed) == 8300 * 262_144
        assert bool(overflowed)
        assert int(offsets[-1]) == 300_000
        assert ids[:2].tolist() == [8299, 8298]
        assert ids[-2:].tolist() == [8299, 8299]


@pytest.mark.parametrize("capacity", [0, -1, 2**31])
def test_a_room_of_no_possible_size_is_refused(device, capacity):
    with pytest.raises(InvalidInput, match="a room holds from 1 to 2,147,483,647 entries"):
        device(parts_within, SCREENS["odd"], capacity, torch.zeros(1, dtype=torch.int64))


def remembering(screen):
    tile_ops.forget_binning()
    waves = screen[0].new_zeros(len(screen[0]), 0, 4)
    room = ListRoom(100, torch.zeros(1, dtype=torch.int64, device=screen[0].device))

    def lists(slots=False, again=False):
        return lists_once(*screen[:4], waves, *screen[4:], slots, again)

    plain = lists()
    assert lists() is plain, "the backward pass finds the lists of the forward pass"
    with_slots = lists(slots=True)
    assert with_slots is not plain
    assert lists() is with_slots
    with lists_within(room):
        assert lists() is with_slots, "exact lists serve everywhere"
        tile_ops.forget_binning()
        limited = lists()
        assert len(limited.ids) == 100
        assert lists() is limited
        room.capacity = 200
        assert len(lists().ids) == 200, "the room has grown"
        limited = lists()
    assert lists(again=True) is limited, "in a thread that knows no room"
    assert lists() is not limited
    before = lists()
    screen[0].add_(1.0)
    assert lists() is not before
    tile_ops.forget_binning()
    return before.ids


def test_the_last_lists_are_remembered(device):
    screen = cast(SCREENS["odd"], torch.float32)
    device(remembering, [t.clone() if isinstance(t, torch.Tensor) else t for t in screen])


def lengths_in_exact_rooms(screen):
    """What a room without a capacity learns of lists that are made, of lists that are remembered, and of several."""
    tile_ops.forget_binning()
    waves, found = screen[0].new_zeros(len(screen[0]), 0, 4), []
    few = [t[: len(screen[0]) // 2] for t in (*screen[:4], waves)]
    room = ListRoom.exact()
    with lists_within(room):
        lists = lists_once(*screen[:4], waves, *screen[4:], slots=False)
        lists_once(*few, *screen[4:], slots=False)
    found.append((int(room.needed), len(lists.ids)))
    assert not bool(room.overflowed())
    for _ in range(2):  # the second time it is remembered
        room = ListRoom.exact()
        with lists_within(room):
            lists = lists_once(*screen[:4], waves, *screen[4:], slots=False)
        found.append((int(room.needed), len(lists.ids)))
    limited = ListRoom(50, torch.zeros(1, dtype=torch.int64, device=screen[0].device))
    tile_ops.forget_binning()
    with lists_within(limited):
        lists_once(*screen[:4], waves, *screen[4:], slots=False)
    with lists_within(room):
        assert len(lists_once(*screen[:4], waves, *screen[4:], slots=False).ids) == found[0][1], "not those of a room"
    tile_ops.forget_binning()
    return torch.tensor(found)


def test_a_room_without_a_capacity_learns_the_length(device):
    screen = cast(SCREENS["odd"], torch.float32)
    total = len(tile_intersections(*screen)[1])
    found = device(lengths_in_exact_rooms, screen)
    assert bool((found[:, 0] == found[:, 1]).all())
    if device.name != "cuda":
        assert found[:, 0].tolist() == [total] * 3


def screens_of_two_threads(screen):
    """What a viewer's thread renders between a forward pass and its backward pass, however often."""
    tile_ops.forget_binning()
    waves = screen[0].new_zeros(len(screen[0]), 0, 4)
    shown = [[t.clone() for t in screen[:4]] for _ in range(3)]
    forward = lists_once(*screen[:4], waves, *screen[4:], False)
    with ThreadPoolExecutor(1) as viewer:
        for splats in shown:
            viewer.submit(bin_in_place, splats, waves, screen[4:]).result()
    for splats in shown:  # threads that come and go
        with ThreadPoolExecutor(1) as viewer:
            viewer.submit(bin_in_place, splats, waves, screen[4:]).result()
    assert lists_once(*screen[:4], waves, *screen[4:], False, again=True) is forward
    assert len(tile_ops._last_binnings) == 2
    with ThreadPoolExecutor(1) as autograd:
        backward = autograd.submit(lists_once, *screen[:4], waves, *screen[4:], False, again=True)
        assert backward.result() is forward, "the backward pass has a thread of its own"
    lists_once(*shown[0], waves, *screen[4:], False)
    assert lists_once(*screen[:4], waves, *screen[4:], False) is not forward, "one picture a thread"
    tile_ops.forget_binning()
    return forward.ids


def bin_in_place(splats, waves, size):
    return tile_ops._once("gpu", lambda *_: ("lists",), (*splats, waves), size)


def test_another_thread_does_not_take_the_lists_of_a_forward_pass(device):
    screen = cast(SCREENS["odd"], torch.float32)
    device(screens_of_two_threads, [t.clone() if isinstance(t, torch.Tensor) else t for t in screen])


def test_lists_of_the_cpu_and_of_the_gpu_are_not_mixed_up(device):
    screen = cast(SCREENS["odd"], torch.float32)
    waves = screen[0].new_zeros(len(screen[0]), 0, 4)
    arguments = (*screen[:4], waves, *screen[4:])
    offsets, entries, _ = tile_ops.bin_once(*arguments)
    found = device(lambda *a: lists_once(*a, False).ids, *arguments)
    assert_same_lists(device, (offsets, found), (offsets, entries[:, 0]))
    assert len(tile_ops.bin_once(*arguments)) == 3
    tile_ops.forget_binning()


class Recorder:
    """Kernels that do nothing but look where their arrays are."""

    def __init__(self):
        self.called = []

    def __getattr__(self, name):
        def called(*arguments):
            assert all(a.device.type == "cuda" for a in arguments if isinstance(a, torch.Tensor)), name
            self.called.append(name)
            return 1

        return called


@pytest.mark.parametrize("slots", [False, True])
def test_within_a_room_nothing_is_on_the_cpu_and_nobody_waits(monkeypatch, slots):
    recorder = Recorder()
    monkeypatch.setattr(tile_ops, "native_of", lambda tensor: recorder)
    with FakeTensorMode():  # a tensor of these has no value that could be read
        splats = [torch.empty(5, *shape, device="cuda") for shape in ((2,), (3,), (), ())]
        room = ListRoom(100, torch.zeros(1, dtype=torch.int64, device="cuda"))
        with lists_within(room):
            lists = tile_lists(*splats, 100, 50, slots)
        assert room.overflowed().device.type == "cuda"
    assert recorder.called == ["order_scratch", "order_splats", "list_scratch", "make_lists"]
    assert all(t.device.type == "cuda" for t in (lists.offsets, lists.ids))


def test_outputs_are_where_the_splats_are():
    with FakeTensorMode(shape_env=ShapeEnv()):
        splats = [torch.empty(5, *shape, device="cuda") for shape in ((2,), (3,), (), ())]
        offsets, ids = tile_intersections(*splats, 100, 50)
    assert offsets.device.type == ids.device.type == "cuda"
    assert offsets.shape == (29,)
    assert offsets.dtype == ids.dtype == torch.int32


@pytest.mark.parametrize("dtype", DTYPES)
def test_opcheck(dtype):
    torch.library.opcheck(torch.ops.geokit.tile_intersections.default, cast(SCREENS["odd"], dtype))
