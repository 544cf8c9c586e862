"""Lens distortion, and its removal: a photograph becomes the picture of a pinhole camera.

Two models. `opencv` (COLMAP's FULL_OPENCV and all that it contains): with r2 = x2 + y2,
x' = x q + 2 p1 x y + p2 (r2 + 2 x2), y' = y q + p1 (r2 + 2 y2) + 2 p2 x y,
q = (1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6).
`fisheye` (Kannala and Brandt 2006; COLMAP's OPENCV_FISHEYE): theta = atan r,
(x', y') = (x, y) / r theta (1 + k1 theta2 + k2 theta4 + k3 theta6 + k4 theta8).
Pixel = (fx x' + cx, fy y' + cy), the centre of the first pixel at (0.5, 0.5).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from geokit.backend.checks import check_one_device, check_tensor
from geokit.errors import InvalidInput, NumericalFailure

WIDEST = math.tan(math.radians(70))  # a pinhole camera wastes its pixels beyond this angle off the axis


@dataclass(frozen=True)
class Lens:
    """One camera's intrinsics with distortion.

    width, height, fx, fy, cx, cy in pixels. coefficients: (k1, k2, p1, p2, k3, k4, k5, k6) of `opencv`, (k1, k2, k3,
    k4) of `fisheye`; missing ones are zero.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: Literal["opencv", "fisheye"] = "opencv"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not all(math.isfinite(v) for v in numbers):
            raise InvalidInput(f"camera intrinsics must be finite, got {numbers}")
        if min(self.width, self.height) < 1 or min(self.fx, self.fy) <= 0:
            raise InvalidInput(
                f"image size and focal lengths must be positive, got {self.width}x{self.height}, fx {self.fx}, fy "
                f"{self.fy}"
            )
        most = 4 if self.model == "fisheye" else 8
        if len(self.coefficients) > most:
            raise InvalidInput(f"the {self.model} lens has at most {most} coefficients, got {len(self.coefficients)}")
        object.__setattr__(self, "coefficients", self.coefficients + (0.0,) * (most - len(self.coefficients)))

    @property
    def pinhole(self) -> bool:
        """Whether there is nothing to undo (a fisheye lens without coefficients still bends)."""
        return self.model == "opencv" and not any(self.coefficients)

    @property
    def K(self) -> Tensor:
        """(3, 3) float64 intrinsic matrix in pixels."""
        return torch.tensor([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=torch.float64)

    def resized(self, width: int, height: int) -> "Lens":
        """The same lens before an image of another size."""
        x, y = width / self.width, height / self.height
        return replace(self, width=width, height=height, fx=self.fx * x, cx=self.cx * x, fy=self.fy * y, cy=self.cy * y)


def distort(points: Tensor, lens: Lens) -> Tensor:
    """Ideal normalised coordinates (..., 2) float64, x / z and y / z, to those that the lens shows."""
    x, y = points.unbind(-1)
    r2 = x * x + y * y
    if lens.model == "fisheye":
        r = r2.sqrt()
        factor = torch.where(r > 1e-12, _radial(r, lens) / r.clamp_min(1e-12), torch.ones_like(r))
        return points * factor[..., None]
    _, _, p1, p2, *_ = lens.coefficients
    q = _rational(r2, lens)
    return torch.stack(
        [x * q + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * q + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], dim=-1
    )


def _rational(r2: Tensor, lens: Lens) -> Tensor:
    k1, k2, _, _, k3, k4, k5, k6 = lens.coefficients
    return (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))


def _radial(r: Tensor, lens: Lens) -> Tensor:
    """The distorted radius of an ideal radius, without the tangential part."""
    if lens.model == "fisheye":
        k1, k2, k3, k4 = lens.coefficients
        theta = torch.atan(r)
        t2 = theta * theta
        return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    return r * _rational(r * r, lens)


def fold_radius(lens: Lens, up_to: float = 2 * WIDEST) -> float:
    """The ideal radius at which the distorted radius stops growing (the image folds over), at most `up_to`."""
    r = torch.linspace(0, up_to, 8193, dtype=torch.float64)
    falls = (_radial(r, lens).diff() <= 0).nonzero()
    return float(r[falls[0, 0]]) if len(falls) else up_to


def undistort(points: Tensor, lens: Lens, iterations: int = 30) -> Tensor:
    """The inverse of `distort` by Newton's method, (..., 2) float64; NaN where no ideal point is shown there.

    Only the part of the plane inside the fold radius counts as an answer.
    """
    scale = _radial_guess(points.norm(dim=-1), lens)
    ideal = points * scale[..., None]
    step = 1e-6
    for _ in range(iterations):
        error = distort(ideal, lens) - points
        ex, ey = torch.tensor([step, 0.0]).to(points), torch.tensor([0.0, step]).to(points)
        dx = (distort(ideal + ex, lens) - distort(ideal - ex, lens)) / (2 * step)
        dy = (distort(ideal + ey, lens) - distort(ideal - ey, lens)) / (2 * step)
        det = dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
        det = torch.where(det.abs() < 1e-12, torch.full_like(det, 1e-12), det)
        change = torch.stack(
            [
                dy[..., 1] * error[..., 0] - dy[..., 0] * error[..., 1],
                dx[..., 0] * error[..., 1] - dx[..., 1] * error[..., 0],
            ],
            dim=-1,
        )
        change = change / det[..., None]
        ideal = ideal - change
        if float(change.abs().nan_to_num().max()) < 1e-13:
            break
    off = (distort(ideal, lens) - points).norm(dim=-1)
    good = (off < 1e-9 * (1 + points.norm(dim=-1))) & (ideal.norm(dim=-1) <= fold_radius(lens))
    return torch.where(good[..., None], ideal, torch.nan)


def _radial_guess(distorted: Tensor, lens: Lens) -> Tensor:
    """A start for Newton: the factor by which the radial curve alone, looked up in a table, stretches each radius."""
    r = torch.linspace(0, fold_radius(lens), 4097, dtype=torch.float64, device=distorted.device)
    table = _radial(r, lens)
    place = torch.searchsorted(table, distorted.contiguous()).clamp(1, len(r) - 1)
    low, high = table[place - 1], table[place]
    share = ((distorted - low) / (high - low).clamp_min(1e-15)).clamp(0, 1)
    ideal = r[place - 1] + share * (r[place] - r[place - 1])
    return torch.where(distorted > 1e-9, ideal / distorted.clamp_min(1e-9), torch.ones_like(distorted))


def undistorted_camera(lens: Lens) -> Tensor:
    """K (3, 3) float64 of the pinhole camera, of the lens's own image size, that shows only what the lens has seen.

    As OpenCV's getOptimalNewCameraMatrix with alpha = 0: the largest upright rectangle inside the undistorted image
    border fills the image, so there is no black border; fx, fy, cx and cy follow, each on its own. Directions more
    than 70 degrees off the axis are cropped away. Where the distortion folds the image over itself, the rectangle
    shrinks about the axis until it is free of the fold. A lens without distortion keeps its K exactly.

    Raises `NumericalFailure` when no such rectangle is left.
    """
    if lens.pinhole:
        return lens.K
    left, top, right, bottom = _inner_rectangle(lens)
    for shrink in torch.linspace(1, 0.05, 96).tolist():
        sides = (left * shrink, top * shrink, right * shrink, bottom * shrink)
        if _seen(sides, lens):
            left, top, right, bottom = sides
            fx, fy = lens.width / (right - left), lens.height / (bottom - top)
            return torch.tensor([[fx, 0, -left * fx], [0, fy, -top * fy], [0, 0, 1]], dtype=torch.float64)
    raise NumericalFailure(
        f"the {lens.model} distortion {lens.coefficients} folds the whole {lens.width}x{lens.height} image over "
        "itself; "
        "check the distortion coefficients of the camera"
    )


def _inner_rectangle(lens: Lens, samples: int = 257) -> tuple[float, float, float, float]:
    """left, top, right, bottom in ideal normalised coordinates, around the axis, inside the undistorted border."""
    t = torch.linspace(0, 1, samples, dtype=torch.float64)
    ends = {"left": 0.0, "right": float(lens.width), "top": 0.0, "bottom": float(lens.height)}
    sides = {}
    for name, edge in ends.items():
        fixed = torch.full_like(t, edge)
        u, v = (fixed, t * lens.height) if name in ("left", "right") else (t * lens.width, fixed)
        border = undistort(torch.stack([(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy], dim=-1), lens)
        inwards = border[..., 0 if name in ("left", "right") else 1].nan_to_num(nan=math.inf).abs().amin()
        sides[name] = min(float(inwards), WIDEST)
    return -sides["left"], -sides["top"], sides["right"], sides["bottom"]


def _seen(sides: tuple[float, float, float, float], lens: Lens) -> bool:
    """Whether the lens shows the whole rectangle inside its image, to half a pixel, and without a fold."""
    left, top, right, bottom = sides
    x, y = torch.linspace(left, right, 65, dtype=torch.float64), torch.linspace(top, bottom, 65, dtype=torch.float64)
    ideal = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    if float(ideal.norm(dim=-1).max()) > fold_radius(lens):
        return False
    shown = distort(ideal, lens)
    u, v = shown[..., 0] * lens.fx + lens.cx, shown[..., 1] * lens.fy + lens.cy
    inside = (u >= -0.5) & (v >= -0.5) & (u <= lens.width + 0.5) & (v <= lens.height + 0.5)
    return bool(inside.all())


def sampling_grid(lens: Lens, K: Tensor) -> Tensor:
    """Where each pixel of the pinhole camera `K`, of the lens's image size, lies in the photograph.

    (H, W, 2) float32 in the coordinates of `torch.nn.functional.grid_sample` with align_corners=False.
    """
    u, v = (torch.arange(size).to(K) + 0.5 for size in (lens.width, lens.height))
    u, v = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    shown = distort(torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1), lens)
    focal = K.new_tensor([lens.fx / lens.width, lens.fy / lens.height])
    center = K.new_tensor([lens.cx / lens.width, lens.cy / lens.height])
    return ((shown * focal + center) * 2 - 1).float()


def undistort_image(image: Tensor, grid: Tensor) -> Tensor:
    """Resample a photograph once, bilinearly, at the places of `sampling_grid`.

    image: (H, W, C) uint8 or float, with alpha premultiplied if it has one. Returns the same dtype, (H', W', C).
    """
    check_tensor("grid", grid, ("H", "W", 2), torch.float32)
    check_tensor("image", image, ("H", "W", "C"))
    check_one_device(image=image, grid=grid)
    planes = image.permute(2, 0, 1)[None].to(torch.float32)
    sampled = torch.nn.functional.grid_sample(planes, grid[None], "bilinear", "border", align_corners=False)
    if not image.is_floating_point():
        sampled = sampled.round().clamp(0, 255)
    return sampled[0].permute(1, 2, 0).to(image.dtype).contiguous()
