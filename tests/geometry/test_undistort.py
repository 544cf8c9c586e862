import math

import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.undistort import Lens, distort, sampling_grid, undistort, undistort_image, undistorted_camera

FOX = Lens(540, 960, 687.76, 687.245, 277.279, 482.634, "opencv", (0.0578421, -0.0805099, -0.000980296, 0.00015575))
BARREL = Lens(640, 480, 400.0, 410.0, 330.0, 235.0, "opencv", (-0.25, 0.06, 0.001, -0.002))
RATIONAL = Lens(640, 480, 420.0, 420.0, 320.0, 240.0, "opencv", (0.3, 0.1, 0.0005, 0.0004, 0.02, 0.5, 0.12, 0.03))
FISHEYE = Lens(640, 480, 260.0, 260.0, 322.0, 238.0, "fisheye", (0.03, -0.006, 0.001, -0.0002))
LENSES = [FOX, BARREL, RATIONAL, FISHEYE]


def pixels_seen(lens: Lens, K: torch.Tensor) -> torch.Tensor:
    """(H, W, 2) places in the photograph, in pixels, of the pinhole camera's pixels."""
    size = torch.tensor([lens.width, lens.height])
    return (sampling_grid(lens, K).double() + 1) / 2 * size


@pytest.mark.parametrize("lens", LENSES)
def test_undistort_inverts_distort(lens: Lens) -> None:
    g = torch.Generator().manual_seed(1)
    ideal = (torch.rand(1000, 2, dtype=torch.float64, generator=g) - 0.5) * 1.2
    assert torch.allclose(undistort(distort(ideal, lens), lens), ideal, atol=1e-9)
    assert not torch.allclose(distort(ideal, lens), ideal, atol=1e-4)


def test_distort_is_the_formula_of_opencv_written_out() -> None:
    k1, k2, p1, p2, k3, k4, k5, k6 = RATIONAL.coefficients
    x, y = 0.31, -0.22
    r2 = x * x + y * y
    q = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    wanted = (x * q + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * q + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)
    assert distort(torch.tensor([x, y], dtype=torch.float64), RATIONAL).tolist() == pytest.approx(wanted, rel=1e-12)
    k1, k2, k3, k4 = FISHEYE.coefficients
    r = math.hypot(x, y)
    t = math.atan(r)
    d = t * (1 + k1 * t**2 + k2 * t**4 + k3 * t**6 + k4 * t**8) / r
    assert distort(torch.tensor([x, y], dtype=torch.float64), FISHEYE).tolist() == pytest.approx((x * d, y * d))


@pytest.mark.parametrize("model", ["OPENCV", "FULL_OPENCV", "OPENCV_FISHEYE"])
def test_distort_agrees_with_colmap(model: str) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    lens = {"OPENCV": BARREL, "FULL_OPENCV": RATIONAL, "OPENCV_FISHEYE": FISHEYE}[model]
    used = 4 if model != "FULL_OPENCV" else 8
    params = [lens.fx, lens.fy, lens.cx, lens.cy, *lens.coefficients[:used]]
    camera = pycolmap.Camera(model=model, width=lens.width, height=lens.height, params=params)
    g = torch.Generator().manual_seed(2)
    ideal = (torch.rand(50, 2, dtype=torch.float64, generator=g) - 0.5) * 1.2
    rays = torch.cat([ideal, torch.ones(50, 1, dtype=torch.float64)], dim=1)
    theirs = torch.from_numpy(camera.img_from_cam(rays.numpy()))
    ours = distort(ideal, lens) * torch.tensor([lens.fx, lens.fy]) + torch.tensor([lens.cx, lens.cy])
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_a_lens_without_distortion_is_the_identity() -> None:
    lens = Lens(40, 30, 50.0, 51.0, 19.0, 16.0)
    K = undistorted_camera(lens)
    assert torch.equal(K, lens.K)
    image = torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(undistort_image(image, sampling_grid(lens, K)), image)


@pytest.mark.parametrize("lens", LENSES)
def test_no_black_border_and_no_more_cropping_than_needed(lens: Lens) -> None:
    seen = pixels_seen(lens, undistorted_camera(lens))
    low, high = seen.amin(dim=(0, 1)), seen.amax(dim=(0, 1))
    assert low.min() > -0.5
    assert high[0] < lens.width + 0.5
    assert high[1] < lens.height + 0.5
    if lens.model == "opencv":  # every side of the photograph is reached; the fisheye is cut at 70 degrees at most
        assert low.max() < 2
        assert high[0] > lens.width - 2
        assert high[1] > lens.height - 2


def test_a_wide_fisheye_is_cropped_to_a_pinhole_field_of_view() -> None:
    lens = Lens(800, 800, 250.0, 250.0, 400.0, 400.0, "fisheye")  # 92 degrees to each side
    K = undistorted_camera(lens)
    assert math.degrees(math.atan(400 / float(K[0, 0]))) <= 70.01
    assert bool(torch.isfinite(K).all())


@pytest.mark.parametrize("lens", LENSES)
def test_straight_lines_become_straight(lens: Lens) -> None:
    """A straight bright line in space: its ridge in the undistorted picture lies on the pinhole line."""
    v, u = torch.meshgrid(
        torch.arange(lens.height, dtype=torch.float64) + 0.5,
        torch.arange(lens.width, dtype=torch.float64) + 0.5,
        indexing="ij",
    )
    shown = torch.stack([(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy], dim=-1)
    ideal = undistort(shown, lens)
    a, b, c = 0.96, 0.28, -0.21  # the line a x + b y + c = 0 in ideal coordinates, off the centre
    distance = ideal[..., 0] * a + ideal[..., 1] * b + c
    photograph = torch.exp(-((distance * lens.fx / 3) ** 2)).nan_to_num()[..., None].float()
    K = undistorted_camera(lens)
    straight = undistort_image(photograph, sampling_grid(lens, K))[..., 0].double()
    weight = straight.sum(1)
    across = (torch.arange(lens.width, dtype=torch.float64) + 0.5)[None]
    ridge = (straight * across).sum(1) / weight
    y = (torch.arange(lens.height, dtype=torch.float64) + 0.5 - K[1, 2]) / K[1, 1]
    wanted = (-(b * y + c) / a) * K[0, 0] + K[0, 2]
    whole = (wanted > 15) & (wanted < lens.width - 15)
    assert int(whole.sum()) > lens.height // 3
    assert float((ridge - wanted)[whole].abs().max()) < 0.15
    # and the photograph itself is bent, so that this test can fail
    bent = (photograph[..., 0].double() * across).sum(1) / photograph[..., 0].double().sum(1)
    assert float((bent - wanted)[whole].abs().max()) > 0.5


def test_a_distortion_that_folds_keeps_its_unfolded_middle_or_says_so() -> None:
    folding = Lens(640, 480, 300.0, 300.0, 320.0, 240.0, "opencv", (-0.4,))
    K = undistorted_camera(folding)
    corner = math.hypot(320 / float(K[0, 0]), 240 / float(K[1, 1]))
    assert corner <= math.sqrt(1 / 1.2) + 1e-3  # r (1 - 0.4 r2) grows up to here
    with pytest.raises(NumericalFailure, match="folds"):
        undistorted_camera(Lens(640, 480, 30.0, 30.0, 320.0, 240.0, "opencv", (-400.0,)))


def test_nonsense_intrinsics_are_refused() -> None:
    for values in [(0, 480, 1.0), (640, 480, -1.0), (640, 480, math.nan)]:
        with pytest.raises(InvalidInput):
            Lens(values[0], values[1], values[2], 1.0, 0.0, 0.0)
    with pytest.raises(InvalidInput, match="at most 4"):
        Lens(4, 4, 1.0, 1.0, 0.0, 0.0, "fisheye", (0.0,) * 5)
