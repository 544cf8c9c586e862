import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.mesh import Mesh
from geokit.spectral.diffusion_net import DiffusionNet
from geokit.spectral.learned_features import FeatureNetwork, map_loss, match_features, train_features
from geokit.spectral.shape import SpectralShape, prepare
from tests.geometry.shapes import sphere


def bean(bend: float) -> SpectralShape:
    """A body without symmetry, bent."""
    mesh = sphere(2)
    x, y, z = mesh.vertices.T
    places = torch.stack((x * (1.2 + 0.3 * y), 1.4 * y + bend * x * x, 0.7 * z + 0.3 * x * y * z + 0.1 * x * x), 1)
    return prepare(Mesh(places, mesh.faces), 40)


@pytest.fixture(scope="module")
def beans() -> list[SpectralShape]:
    return [bean(bend) for bend in (0.2, 0.25, 0.3, 0.35)]


def test_true_features_have_nearly_no_loss_and_random_ones_have(beans):
    first, samples = beans[0].basis.first(12), torch.arange(len(beans[0]))
    rows = 6 * torch.eye(len(beans[0])).double()
    true = torch.nn.functional.normalize(rows, dim=1)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))

    def loss(features):
        return float(map_loss(true, features, first, first, samples, samples, mask_weight=1e-6, temperature=0.02))

    assert loss(true) < 1e-3
    assert loss(true[order]) > 1


def test_the_loss_passes_gradcheck(beans):
    bases, samples = [b.basis.first(5) for b in beans[:2]], torch.arange(0, len(beans[0]), 9)
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(len(b), 6, generator=generator, dtype=torch.float64, requires_grad=True) for b in beans[:2]]

    def loss(a, b):
        unit = [torch.nn.functional.normalize(t, dim=1) for t in (a, b)]
        return map_loss(*unit, *bases, samples, samples)

    assert torch.autograd.gradcheck(loss, given, fast_mode=True)


def test_features_of_a_permuted_copy_give_the_permutation(beans):
    shape = beans[0]
    order = torch.randperm(len(shape), generator=torch.Generator().manual_seed(1))
    copy = prepare(Mesh(shape.mesh.vertices[order], torch.argsort(order)[shape.mesh.faces]), 40)
    torch.manual_seed(0)
    network = FeatureNetwork(DiffusionNet(16, 32, 16, 2, dropout=0.0), "wks", 40)
    features = [network.features(s) for s in (shape, copy)]
    assert torch.allclose(features[0].norm(dim=1), torch.ones(len(shape)))
    assert torch.equal(match_features(*features, shape.basis, copy.basis), order)


def test_training_lowers_the_loss_and_is_repeatable(beans):
    def trained() -> tuple[FeatureNetwork, list[float]]:
        torch.manual_seed(0)
        losses: list[float] = []
        network = DiffusionNet(16, 16, 16, 2, dropout=0.1)
        settings = {"count": 40, "steps": 20, "map_size": 12, "samples": 80, "rate": 1e-2}
        found = train_features(beans, network, **settings, watch=lambda step, loss: losses.append(loss))
        return found, losses

    (network, losses), (again, _) = trained(), trained()
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    assert not network.network.training
    assert torch.equal(network.features(beans[0]), again.features(beans[0]))


def test_wrong_arguments_are_named(beans):
    with pytest.raises(InvalidInput, match="at least two shapes, got 1"):
        train_features(beans[:1], DiffusionNet(16, 8, 8, 1))
    network = DiffusionNet(16, 8, 8, 1)
    torch.nn.init.constant_(network.last.weight, float("nan"))
    with pytest.raises(NumericalFailure, match="no longer finite in step 0"):
        train_features(beans, network, count=40, steps=1, map_size=8, samples=50)
