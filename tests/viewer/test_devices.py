"""Splats on another device are rendered there. On "meta", which has no values, whatever mixes devices raises."""

import pytest
import torch
from geokit.viewer.frame import ViewFrame
from geokit.viewer.splat_modes import colors_of, normals_of, numbers_of
from geokit.viewer.streamed_splats import StreamedSplats

from geokit.pipelines.evaluate import render_picture
from geokit.pipelines.surface import splat_depth
from geokit.splatting import TrainConfig
from tests.splatting.worlds import colorful_splats, random_scene, ring_cameras

META = torch.device("meta")


@pytest.mark.parametrize("waves", [0, 2])
@pytest.mark.parametrize("mixed", [False, True])
def test_streamed_pictures(waves, mixed):
    scene = random_scene(1, count=30, waves=waves)[0].to(torch.float32)
    scenes = [(scene, False), (colorful_splats(20), mixed)]
    streamed = StreamedSplats.of(scenes, ViewFrame(), META)
    camera, background = ring_cameras(1).to(META), torch.zeros(3, device=META)
    pictures = [colors_of(streamed, camera, background), normals_of(streamed, camera, background)]
    for mode in ("Depth", "Alpha", "Frequency"):
        numbers = numbers_of(mode, streamed, camera)
        pictures += [numbers.values, numbers.coverage]
    pictures += streamed.median_depth(camera)
    assert {picture.device for picture in pictures} == {META}


def test_splats_are_streamed_from_where_they_are():
    far, near = colorful_splats(20).to(META), colorful_splats(20)
    assert StreamedSplats.of([(far, False)], ViewFrame()).device == META
    assert StreamedSplats.of([(near, False), (near, True)], ViewFrame()).device.type == "cpu"


def test_what_jobs_render():
    splats, camera = colorful_splats(20).to(META), ring_cameras(1)
    assert render_picture(splats, camera, TrainConfig()).device == META
    assert {t.device for t in splat_depth(splats, camera)} == {META}
