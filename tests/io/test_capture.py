import math
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry import PointCloud
from geokit.geometry.undistort import distort, undistort
from geokit.io import load_capture
from geokit.io.capture import reduced
from geokit.io.photographs import load_photograph, save_picture
from geokit.io.point_files import save_point_ply
from tests.io.builders import (
    FOCAL,
    HEIGHT,
    WIDTH,
    mutate,
    mutations,
    opengl,
    rewrite,
    ring,
    write_nerfstudio,
    write_photograph,
)


def refused(path: Path, match: str, kind: type[GeokitError] = UnreadableFile, **options: object) -> str:
    with pytest.raises(kind, match=match) as caught:
        load_capture(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- nerfstudio


def test_poses_are_turned_from_opengl_to_opencv(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 5)
    capture = load_capture(tmp_path)
    assert capture.kind == "nerfstudio"
    assert capture.points is None
    assert not capture.messages
    assert torch.allclose(capture.cameras.world_to_camera, ring(5), atol=1e-12)
    assert capture.cameras.names == tuple(f"images/{i:03d}.png" for i in range(5))
    assert capture.cameras.sizes == ((WIDTH, HEIGHT),) * 5
    assert torch.equal(capture.cameras.K[0], torch.tensor([[FOCAL, 0, 16], [0, FOCAL, 12], [0, 0, 1]]).double())
    origin = capture.cameras.world_to_camera[:, :3, 3]  # where each camera sees the origin it looks at: straight ahead
    assert torch.allclose(origin[:, :2], torch.zeros(5, 2).double(), atol=1e-12)
    assert bool((origin[:, 2] > 0).all())


def test_photographs_are_the_files_pixels(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 3)
    capture = load_capture(tmp_path / "transforms.json")
    seen: list[tuple[int, int]] = []
    capture.photographs([0, 2, 0], lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    for i in range(3):
        wanted = load_photograph(tmp_path / f"images/{i:03d}.png").float() / 255
        assert torch.equal(capture.photograph(i), wanted)
        capture.photograph(i).zero_()  # a caller's own copy
        assert torch.equal(capture.photograph(i), wanted)


def test_intrinsics_of_each_frame_and_the_angle(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 3, fl_x=None, fl_y=None, cx=None, cy=None, w=None, h=None, camera_angle_x=1.0)
    top["frames"][1] |= {"fl_x": 50, "fl_y": 51, "cx": 15, "cy": 11, "w": WIDTH, "h": HEIGHT}
    rewrite(tmp_path, top)
    K = load_capture(tmp_path).cameras.K
    angle = 0.5 * WIDTH / math.tan(0.5)
    assert K[0].diag().tolist() == pytest.approx([angle, angle, 1])
    assert K[0, :2, 2].tolist() == [WIDTH / 2, HEIGHT / 2]
    assert K[1, 0].tolist() == [50, 0, 15]
    assert K[1, 1].tolist() == [0, 51, 11]


def test_names_without_an_ending(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 3)
    for frame in top["frames"]:
        frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
    rewrite(tmp_path, top)
    assert load_capture(tmp_path).cameras.names[0] == "images/000.png"


def test_initial_points_of_the_capture(tmp_path: Path) -> None:
    cloud = PointCloud(torch.rand(6, 3), torch.rand(6, 3))
    save_point_ply(tmp_path / "sparse.ply", cloud)
    write_nerfstudio(
        tmp_path, 3, ply_file_path="sparse.ply", applied_transform=[[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    )
    points = load_capture(tmp_path).points
    assert points is not None
    assert torch.equal(points.points, cloud.points)
    assert torch.allclose(load_capture(tmp_path).cameras.world_to_camera, ring(3), atol=1e-12)
    (tmp_path / "sparse.ply").unlink()
    assert "sparse.ply" in load_capture(tmp_path).messages[0]


def test_distortion_is_removed_once_at_full_size(tmp_path: Path) -> None:
    """A smooth world seen through the lens comes back as the pinhole camera would have seen it."""
    write_nerfstudio(tmp_path, 2, w=128, h=96, cx=65, cy=47, fl_x=110, fl_y=112, k1=-0.2, k2=0.05, p1=0.001)

    def world(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [0.5 + 0.4 * (5 * x).sin(), 0.5 + 0.4 * (4 * y).cos(), 0.5 + 0.3 * (3 * x + 4 * y).sin()], -1
        )

    write_photograph(tmp_path / "images/000.png", 128, 96)
    write_photograph(tmp_path / "images/001.png", 128, 96)
    lens = load_capture(tmp_path).views[0].lens
    v, u = torch.meshgrid(torch.arange(96.0) + 0.5, torch.arange(128.0) + 0.5, indexing="ij")
    ideal = undistort(torch.stack([(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy], -1).double(), lens)
    save_picture(tmp_path / "images/000.png", world(ideal[..., 0], ideal[..., 1]).nan_to_num())
    for downscale in (1, 2, 3):
        capture = load_capture(tmp_path, downscale=downscale)
        K, (w, h) = capture.cameras.K[0], capture.cameras.sizes[0]
        v, u = torch.meshgrid(torch.arange(h).double() + 0.5, torch.arange(w).double() + 0.5, indexing="ij")
        x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
        wanted = world(x, y)
        assert (capture.photograph(0).double() - wanted).abs().mean() < 0.004
        inner = (slice(4, -4), slice(4, -4))
        assert (capture.photograph(0).double() - wanted)[inner].abs().max() < 0.03
        bent = distort(torch.stack([x, y], -1), lens)
        assert (world(bent[..., 0], bent[..., 1]) - wanted).abs().max() > 0.05  # the lens does matter here


def test_transparency_stands_on_a_background(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 2, mode="RGBA")
    capture = load_capture(tmp_path)
    pixels = load_photograph(tmp_path / "images/000.png").double() / 255
    for background in [(0.0, 0.0, 0.0), (0.2, 0.4, 0.9)]:
        wanted = pixels[..., :3] * pixels[..., 3:] + (1 - pixels[..., 3:]) * torch.tensor(background)
        assert torch.allclose(capture.photograph(0, background).double(), wanted, atol=0.6 / 255)
    assert torch.equal(capture.photograph(0), capture.photograph(0, (1.0, 1.0, 1.0)))
    assert torch.allclose(capture.alpha(0).double(), pixels[..., 3])
    assert load_capture(tmp_path, downscale=2).photograph(1).shape == (HEIGHT // 2, WIDTH // 2, 3)


# ---- sizes


def test_downscale_divides_the_size_and_the_intrinsics_follow(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 2)
    half = load_capture(tmp_path, downscale=2)
    assert half.cameras.sizes[0] == (16, 12)
    assert half.cameras.K[0, :2].tolist() == [[FOCAL / 2, 0, 8], [0, FOCAL / 2, 6]]
    full = load_photograph(tmp_path / "images/000.png").float()
    blocks = full.reshape(12, 2, 16, 2, 3).mean(dim=(1, 3)) / 255
    assert torch.allclose(half.photograph(0), blocks, atol=0.51 / 255)
    odd = load_capture(tmp_path, downscale=1.5)
    assert odd.cameras.sizes[0] == (21, 16)
    assert odd.photograph(0).shape == (16, 21, 3)
    assert odd.cameras.K[0, 0, 0] == pytest.approx(FOCAL * 21 / 32)
    for bad in (0.5, 0, -1, math.nan, math.inf):
        refused(tmp_path, "downscale", InvalidInput, downscale=bad)
    refused(tmp_path, "leaves pictures of only", InvalidInput, downscale=10)


def test_reduction_by_a_fraction_keeps_a_gradient_in_place() -> None:
    ramp = torch.linspace(0, 255, 90).round().to(torch.uint8)[None, :, None].expand(60, 90, 3).contiguous()
    small = reduced(ramp, (60, 40))[20, :, 0].double()
    centers = (torch.arange(60) + 0.5) * 1.5 - 0.5
    assert (small - centers * 255 / 89)[3:-3].abs().max() < 1.5


def test_a_photograph_of_another_size(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 3)
    write_photograph(tmp_path / "images/001.png", 16, 12)
    assert "001.png is 16x12 pixels but its camera was calibrated for 32x24" in refused(tmp_path, "pixels")


def test_known_reduced_copies_are_taken(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 3)
    for i, frame in enumerate(top["frames"]):
        frame["file_path"] = f"images_2/{i:03d}.png"
        write_photograph(tmp_path / frame["file_path"], 16, 12, seed=i)
    rewrite(tmp_path, top)
    capture = load_capture(tmp_path)
    assert capture.cameras.sizes[0] == (16, 12)
    assert capture.cameras.K[0, 0, 0] == FOCAL / 2
    write_photograph(tmp_path / "images_2/002.png", 16, 16)
    refused(tmp_path, "16x16 pixels but its camera was calibrated for 32x24")


# ---- the split


def test_every_eighth_by_name_from_the_first(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 11)
    top["frames"].reverse()
    rewrite(tmp_path, top)
    capture = load_capture(tmp_path)
    assert list(capture.cameras.names) == sorted(capture.cameras.names)
    assert capture.test == [0, 8]
    assert capture.train == [1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert load_capture(tmp_path, test_every=0).test == []
    assert load_capture(tmp_path, test_every=5).test == [0, 5, 10]
    for bad in (1, -3):
        refused(tmp_path, "test_every", InvalidInput, test_every=bad)


def test_named_views_win(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 5, test_filenames=["images/004.png"])
    assert load_capture(tmp_path).test == [4]
    assert load_capture(tmp_path, test_images=["001.png", "images/003.png", "002"]).test == [1, 2, 3]
    assert "images/000.png" in refused(tmp_path, "'nope.png'", InvalidInput, test_images=["nope.png"])
    every = [f"{i:03d}" for i in range(5)]
    refused(tmp_path, "keep some for training", InvalidInput, test_images=every)


def test_own_split_of_a_nerfstudio_capture(tmp_path: Path) -> None:
    write_nerfstudio(
        tmp_path, 5, train_filenames=["images/000.png"], val_filenames=["images/001.png", "images/003.png"]
    )
    assert load_capture(tmp_path).test == [1, 3]


# ---- bad input


def test_missing_photographs_are_said_and_left_out(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 6)
    for i in (1, 4):
        (tmp_path / f"images/{i:03d}.png").unlink()
    capture = load_capture(tmp_path)
    assert len(capture) == 4
    assert capture.messages[0].startswith("2 of 6 frames listed in transforms.json have no file (images/001.png")
    assert torch.allclose(capture.cameras.world_to_camera[1], ring(6)[2])
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    refused(tmp_path, "lists 6 photographs, but no file is there")


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None])
def test_a_pose_with_nan(tmp_path: Path, value: object) -> None:
    top = write_nerfstudio(tmp_path, 4)
    top["frames"][2]["transform_matrix"][0][1] = value
    rewrite(tmp_path, top)
    assert "images/002.png" in refused(tmp_path, r"NaN or infinite|matrix of numbers")


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        ({"transform_matrix": [[1, 2], [3, 4]]}, "shape"),
        ({"transform_matrix": [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]}, "not a rotation"),
        ({"transform_matrix": None}, "matrix of numbers"),
        ({"file_path": None}, "no file_path"),
        ({"file_path": "../outside.png"}, "leaves the capture folder"),
        ({"file_path": "/etc/hostname"}, "leaves the capture folder"),
        ({"fl_x": math.nan}, "fl_x"),
        ({"fl_x": "wide"}, "fl_x"),
        ({"fl_x": -3}, "focal"),
        ({"w": 1e400}, "w ="),
        ({"cx": 10**400}, "cx ="),
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR"),
        ({"k4": 0.1}, "k4"),
        ({"k1": -500.0}, "folds"),
    ],
)
def test_a_damaged_frame(tmp_path: Path, frame: dict, match: str) -> None:
    write_photograph(tmp_path / "outside.png")
    top = write_nerfstudio(tmp_path / "capture", 4)
    top["frames"][1] |= frame
    rewrite(tmp_path / "capture", top)
    assert str(tmp_path / "capture" / "transforms.json") in refused(tmp_path / "capture", match)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"frames": 3}', '{"frames": [3]}', '{"frames": []}', "\ufffd", "[" * 100_000]
)
def test_a_damaged_json(tmp_path: Path, content: str) -> None:
    (tmp_path / "transforms.json").write_text(content)
    refused(tmp_path, r"transforms\.json")


def test_an_unreadable_photograph(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 3)
    whole = (tmp_path / "images/001.png").read_bytes()
    (tmp_path / "images/001.png").write_bytes(whole[: len(whole) // 2])
    capture = load_capture(tmp_path)  # its header is whole: it is the pixels that are missing
    for read in (lambda: capture.photograph(1), lambda: capture.photographs([0, 1, 2])):
        with pytest.raises(UnreadableFile, match=r"001\.png is damaged or truncated"):
            read()
    (tmp_path / "images/001.png").write_text("no picture")
    refused(tmp_path, r"001\.png is not a picture")


def test_zero_and_one_camera(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 3)
    rewrite(tmp_path, {**top, "frames": []})
    refused(tmp_path, "at least 2")
    rewrite(tmp_path, {**top, "frames": top["frames"][:1]})
    refused(tmp_path, "gives 1 photograph with a pose; a reconstruction needs at least 2")


def test_all_cameras_alike(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 4)
    for frame in top["frames"]:
        frame["transform_matrix"] = opengl(ring(4)[1])
    rewrite(tmp_path, top)
    refused(tmp_path, "all 4 cameras have the same pose")
    for frame, pose in zip(top["frames"], ring(4)):
        pose[:3, 3] = 0
        frame["transform_matrix"] = opengl(pose)
    rewrite(tmp_path, top)
    refused(tmp_path, "same point")


def test_a_photograph_listed_twice(tmp_path: Path) -> None:
    top = write_nerfstudio(tmp_path, 4)
    top["frames"][3]["file_path"] = "./images/001.png"
    rewrite(tmp_path, top)
    refused(tmp_path, r"images/001\.png' more than once")


def test_folders_that_hold_no_capture(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "not a folder")
    refused(tmp_path, "holds no capture")
    (tmp_path / "notes.txt").write_text("")
    refused(tmp_path / "notes.txt", "not a folder")


@given(mutations())
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_capture_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, str, bytes]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    if not folder.exists():
        write_nerfstudio(folder, 3, k1=0.01)
        (folder / "transforms.json").rename(folder / "seed")
    (folder / "transforms.json").write_bytes(mutate((folder / "seed").read_bytes(), steps))
    with suppress(UnreadableFile):
        load_capture(folder)


# ---- real data


@pytest.mark.data
def test_the_fox(data_folder: Path) -> None:
    capture = load_capture(data_folder / "splatting/fox", downscale=4)
    assert capture.messages == [
        "17 of 67 frames listed in transforms.json have no file (images/0005.jpg, images/0016.jpg, images/0017.jpg, "
        "...); "
        "going on with 50"
    ]
    assert (len(capture.train), len(capture.test)) == (43, 7)
    assert set(capture.cameras.sizes) == {(270, 480)}
    assert capture.photograph(0).shape == (480, 270, 3)


@pytest.mark.data
def test_two_formats_of_one_capture_agree(data_folder: Path) -> None:
    a = load_capture(data_folder / "splatting/fox", downscale=4)
    b = load_capture(data_folder / "splatting/fox_colmap", downscale=2)
    assert a.cameras.names == b.cameras.names
    assert torch.allclose(a.cameras.world_to_camera, b.cameras.world_to_camera, atol=1e-5)
    assert torch.allclose(a.cameras.K, b.cameras.K, atol=1e-4)
    assert (a.photograph(3) - b.photograph(3)).abs().mean() < 0.01
    assert b.points is not None
    assert len(b.points) == 12_201
