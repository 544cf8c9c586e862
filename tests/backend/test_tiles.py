"""Tile lists against brute force over the pixel centres and against gsplat's boxes."""

from dataclasses import replace

import pytest
import torch
from gsplat.cuda import _torch_impl as gsplat

from geokit.backend import splatting_ops as ops
from tests.reference import compositor, scenes
from tests.reference.comparison import threads

TILE = 16


def tile_counts(width, height):
    return -(-width // TILE), -(-height // TILE)


def tile_lists(screen, amplitudes):
    """Our lists, one Python list of splat ids a tile, after checks of the format."""
    offsets, ids = ops.tile_intersections(
        screen.means2d, screen.conics, screen.depths, amplitudes, screen.width, screen.height
    )
    across, down = tile_counts(screen.width, screen.height)
    assert offsets.dtype == ids.dtype == torch.int32
    assert offsets.shape == (across * down + 1,)
    assert int(offsets[0]) == 0
    assert int(offsets[-1]) == len(ids)
    return [ids[start:end].tolist() for start, end in zip(offsets.tolist(), offsets.tolist()[1:])]


def exact(screen, amplitudes):
    return scenes.cast(screen, torch.float64), amplitudes.double()


def peaks_on_tiles(screen, amplitudes):
    """(tiles, N) largest amplitude exp(-power) over the pixel centres of every tile; 0 for culled splats."""
    offsets = compositor.pixel_centers(screen.width, screen.height, screen.means2d)[:, :, None] - screen.means2d
    dx, dy = offsets.unbind(-1)
    a, b, c = screen.conics.unbind(-1)
    alpha = amplitudes * torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2) * (screen.depths > 0)
    across, down = tile_counts(screen.width, screen.height)
    rows = [alpha[TILE * j : TILE * (j + 1)].amax(0) for j in range(down)]
    return torch.stack([row[TILE * i : TILE * (i + 1)].amax(0) for row in rows for i in range(across)])


def boxed_tiles(screen, amplitudes):
    """(tiles, N) bool: the bounding box of the ellipse alpha >= 1/255 touches the tile's square, borders included."""
    a, b, c = screen.conics.unbind(-1)
    reach = 2 * torch.log(255 * amplitudes).clamp(min=0)
    half = torch.stack([reach * c, reach * a], -1).sqrt() / (a * c - b * b).sqrt()[:, None] + 1e-2
    across, down = tile_counts(screen.width, screen.height)
    lows = torch.cartesian_prod(torch.arange(down), torch.arange(across)).flip(-1)[:, None] * TILE
    touches = (screen.means2d + half >= lows) & (screen.means2d - half <= lows + TILE)
    return touches.all(-1) & (screen.depths > 0) & (amplitudes >= (1 - 1e-4) / 255)


def cases(dtype):
    sizes = [(64, 48), (45, 38), (16, 16), (5, 3), (200, 17)]
    for seed, (width, height) in enumerate(sizes):
        screen = scenes.random_screen(seed, count=150, width=width, height=height, sigma=(0.3, 20.0))
        amplitudes = scenes.uniform(scenes.generator(seed), 150, high=1.2) ** 3
        yield scenes.cast(screen, dtype), amplitudes.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_needed_pair_is_there_and_hardly_another(dtype):
    listed_pairs = needed_pairs = 0
    for screen, amplitudes in cases(dtype):
        lists = tile_lists(screen, amplitudes)
        peaks = peaks_on_tiles(*exact(screen, amplitudes))
        boxed = boxed_tiles(*exact(screen, amplitudes))
        listed = torch.zeros_like(boxed)
        for tile, ids in enumerate(lists):
            assert len(set(ids)) == len(ids)
            listed[tile, ids] = True
        needed = peaks >= (1 + 1e-4) / 255
        assert bool(listed[needed].all()), "a pair with a visible pixel is missing"
        assert bool(boxed[listed].all()), "a listed splat is nowhere near the tile"
        listed_pairs += int(listed.sum())
        needed_pairs += int(needed.sum())
    assert needed_pairs > 500
    assert listed_pairs <= 1.05 * needed_pairs


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lists_are_sorted_by_depth_then_index(dtype):
    for screen, amplitudes in cases(dtype):
        levels = replace(screen, depths=(screen.depths * 3).round() / 3)  # many ties
        for depths in (screen.depths, levels.depths):
            for ids in tile_lists(replace(screen, depths=depths), amplitudes):
                assert ids == sorted(ids, key=lambda i: (float(depths[i]), i))
                assert all(depths[i] > 0 for i in ids)


@pytest.mark.parametrize("seed", range(3))
def test_lists_are_a_subset_of_gsplats_and_what_is_dropped_is_invisible(seed):
    world = scenes.random_world(60 + seed, count=150, waves=0, aspect=4.0)
    world = replace(world, amplitudes=world.amplitudes.clamp(max=1.0))
    means2d, depths, conics, _, _ = ops.project(*scenes.arguments(world))
    fx, fy, cx, cy = world.intrinsics
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
    covariances, _ = gsplat._quat_scale_to_covar_preci(world.quats, world.scales, compute_preci=False)
    radii, their_means2d, their_depths, their_conics, _ = gsplat._fully_fused_projection(
        world.means, covariances, world.world_to_camera[None], K[None], world.width, world.height
    )
    across, down = tile_counts(world.width, world.height)
    _, keys, flat = gsplat._isect_tiles(their_means2d, radii, their_depths, TILE, across, down)
    starts = gsplat._isect_offset_encode(keys, 1, across, down).flatten().tolist()
    theirs = [flat[s:e].tolist() for s, e in zip(starts, [*starts[1:], len(flat)])]

    screen = scenes.random_screen(0, count=1)
    screen = replace(screen, means2d=means2d, conics=conics, depths=depths, width=world.width, height=world.height)
    ours = tile_lists(screen, world.amplitudes)
    their_screen = replace(screen, means2d=their_means2d[0], conics=their_conics[0], depths=their_depths[0])
    peaks = peaks_on_tiles(their_screen, world.amplitudes)
    dropped = 0
    for tile in range(across * down):
        assert set(ours[tile]) <= set(theirs[tile])
        order = {splat: place for place, splat in enumerate(theirs[tile])}
        assert ours[tile] == sorted(ours[tile], key=order.__getitem__), "the order of blending is gsplat's"
        missing = sorted(set(theirs[tile]) - set(ours[tile]))
        dropped += len(missing)
        assert bool((peaks[tile, missing] < (1 + 1e-6) / 255).all())
    assert dropped > 0.2 * len(flat), "tighter than gsplat's boxes"


def test_empty_scenes():
    screen = scenes.random_screen(0, count=12)
    amplitudes = torch.ones(12, dtype=torch.float64)
    empty = scenes.random_screen(0, count=0)
    assert not any(tile_lists(empty, amplitudes[:0]))
    assert not any(tile_lists(screen, amplitudes * 1e-3))
    assert not any(tile_lists(replace(screen, depths=torch.zeros_like(amplitudes)), amplitudes))


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e9, -1e9])
def test_splats_far_outside_are_in_no_list(offset):
    screen = scenes.random_screen(1, count=20, width=40, height=40)
    sides = torch.where(screen.means2d > 20, 1e3, -1e3).to(torch.float64)
    screen = replace(screen, means2d=sides + offset)
    assert not any(tile_lists(screen, torch.ones(20, dtype=torch.float64)))


def test_a_splat_that_covers_everything_is_in_every_list():
    screen = scenes.random_screen(2, count=3, width=100, height=60)
    flat = torch.tensor([[1e-9, 0.0, 1e-9]], dtype=torch.float64).repeat(3, 1)
    screen = replace(screen, conics=flat, depths=torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64))
    assert all(ids == [1, 2, 0] for ids in tile_lists(screen, torch.ones(3, dtype=torch.float64)))


def test_lists_do_not_depend_on_the_thread_count():
    screen = scenes.cast(scenes.random_screen(3, count=20_000, width=640, height=480), torch.float32)
    amplitudes = screen.opacities
    results = []
    for count in (1, 2):
        with threads(count):
            results.append(tile_lists(screen, amplitudes))
    assert results[0] == results[1]
