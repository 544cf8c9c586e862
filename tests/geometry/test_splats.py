import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud, Splats

N = 5


def fields(coefficients: int = 4, waves: int = 0, channels: int = 0, dtype: torch.dtype = torch.float32) -> dict:
    g = torch.Generator().manual_seed(0)
    shapes = {
        "means": (N, 3),
        "quats": (N, 4),
        "log_scales": (N, 3),
        "logit_opacities": (N,),
        "sh_coeffs": (N, coefficients, 3),
    }
    if waves:
        shapes |= {"wave_frequencies": (N, waves, 3), "wave_weights": (N, waves, 2, *[channels] * bool(channels))}
    return {name: torch.randn(shape, generator=g, dtype=dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("coefficients", "waves", "channels", "floats"),
    [(1, 0, 0, 14), (4, 0, 0, 23), (9, 0, 0, 38), (16, 0, 0, 59), (16, 2, 0, 69), (1, 1, 3, 23)],
)
def test_every_stored_float_is_counted(coefficients, waves, channels, floats):
    splats = Splats(**fields(coefficients, waves, channels))
    assert splats.parameters == floats * N
    assert len(splats) == N
    assert splats.waves == waves
    assert (splats.sh_degree + 1) ** 2 == coefficients


def test_without_waves_the_wave_fields_are_empty_and_of_the_same_dtype():
    splats = Splats(**fields(dtype=torch.float64))
    assert splats.wave_frequencies.shape == (N, 0, 3)
    assert splats.wave_weights.shape == (N, 0, 2)
    assert splats.wave_frequencies.dtype == splats.wave_weights.dtype == torch.float64


@pytest.mark.parametrize("channels", [0, 3])
def test_to_and_map_reach_every_field(channels):
    splats = Splats(**fields(9, 2, channels))
    double = splats.to(torch.float64)
    assert {t.dtype for t in double.tensors().values()} == {torch.float64}
    assert {t.dtype for t in splats.tensors().values()} == {torch.float32}
    negated = splats.map(torch.neg)
    assert list(negated.tensors()) == list(splats.tensors()) == list(Splats.__dataclass_fields__)
    for name, tensor in splats.tensors().items():
        assert torch.equal(getattr(negated, name), -tensor)
        assert torch.equal(getattr(double.to(torch.float32), name), tensor)


@pytest.mark.parametrize(
    "index", [slice(1, 4), torch.tensor([3, 0, 3]), torch.tensor([True, False, True, False, False]), slice(0, 0)]
)
def test_an_index_picks_the_same_rows_of_every_field(index):
    splats = Splats(**fields(4, 2, 3))
    picked = splats[index]
    for name, tensor in splats.tensors().items():
        assert torch.equal(getattr(picked, name), tensor[index])
    assert len(picked) == len(splats.means[index])


def test_truncated_harmonics_keep_the_first_coefficients():
    splats = Splats(**fields(16, 1))
    for degree in range(4):
        cut = splats.truncated_sh(degree)
        assert cut.sh_degree == degree
        assert torch.equal(cut.sh_coeffs, splats.sh_coeffs[:, : (degree + 1) ** 2])
        assert torch.equal(cut.wave_weights, splats.wave_weights)
    assert Splats(**fields(4)).truncated_sh(3).sh_degree == 1


def test_replace_changes_one_field_and_checks_it():
    splats = Splats(**fields())
    moved = splats.replace(means=splats.means + 1)
    assert torch.equal(moved.means, splats.means + 1)
    assert moved.quats is splats.quats
    with pytest.raises(InvalidInput, match=r"quats must have shape \(5, 4\), got \(5, 3\)"):
        splats.replace(quats=splats.means)


def test_repr_tells_kind_degree_and_bounds():
    means = torch.tensor([[0.0, -1.0, 2.0], [1.0, 1.0, 2.5]])
    changed = {name: t[:2] for name, t in fields(9, 2).items()} | {"means": means}
    shown = repr(Splats(**changed))
    assert shown == "Splats(2 Gabor, 2 waves, SH degree 2, bounds [0, 1] x [-1, 1] x [2, 2.5])"
    assert repr(Splats(**fields())[:0]) == "Splats(empty, Gaussian)"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"means": torch.zeros(N, 2)}, r"means must have shape \(N, 3\), got \(5, 2\)"),
        ({"means": torch.zeros(N, 3, dtype=torch.float16)}, r"means must be float32 or float64, got float16"),
        ({"means": torch.zeros(N + 1, 3)}, r"quats must have shape \(6, 4\), got \(5, 4\)"),
        ({"quats": torch.zeros(N, 4, dtype=torch.float64)}, r"quats must be float32, got float64"),
        ({"log_scales": torch.zeros(N)}, r"log_scales must have shape \(5, 3\)"),
        ({"logit_opacities": torch.zeros(N, 1)}, r"logit_opacities must have shape \(5\), got \(5, 1\)"),
        ({"sh_coeffs": torch.zeros(N, 3)}, r"sh_coeffs must have shape \(5, B, 3\), got \(5, 3\)"),
        ({"sh_coeffs": torch.zeros(N, 5, 3)}, r"sh_coeffs must hold 1, 4, 9 or 16 coefficients a channel, got 5"),
        ({"sh_coeffs": torch.zeros(N, 0, 3)}, r"sh_coeffs must hold 1, 4, 9 or 16 coefficients a channel, got 0"),
        ({"wave_frequencies": torch.zeros(N, 2, 2)}, r"wave_frequencies must have shape \(5, K, 3\)"),
        ({"wave_frequencies": torch.zeros(N, 2, 3)}, r"wave_weights must have shape \(5, 2, 2\), got \(5, 0, 2\)"),
        ({"wave_weights": torch.zeros(N, 1, 2)}, r"wave_weights must have shape \(5, 0, 2\), got \(5, 1, 2\)"),
        ({"wave_weights": torch.zeros(N, 0, 2, 4)}, r"wave_weights must have shape \(5, 0, 2, 3\)"),
    ],
)
def test_wrong_fields(changes, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Splats(**(fields() | changes))


def test_point_clouds_check_their_fields():
    points = torch.rand(4, 3)
    assert len(PointCloud(points)) == 4
    assert repr(PointCloud(torch.zeros(0, 3))) == "PointCloud(empty)"
    assert "4 points, coloured" in repr(PointCloud(points, points))
    assert "without colours" in repr(PointCloud(points))
    for wrong, sentence in (
        ((points[:, :2],), r"points must have shape \(N, 3\)"),
        ((points, points[:3]), r"colors must have shape \(4, 3\), got \(3, 3\)"),
        ((points.long(),), "points must be float32 or float64"),
        ((points / 0,), "points must be finite"),
        ((points, points * torch.nan), "colors must be finite, but 12 of its 12"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            PointCloud(*wrong)
