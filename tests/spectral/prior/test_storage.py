from importlib.resources import files

import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.checkpoints import save_checkpoint
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.laplacian import laplacian
from geokit.spectral.prior import DiffusionPrior, GaussianPrior, load_prior, save_prior
from tests.spectral.asymmetric import blob


def test_what_is_written_is_read(tmp_path):
    torch.manual_seed(0)
    model = DiffusionPrior(GaussianPrior.fit(torch.rand(40, 5, 5)), width=16, depth=1, heads=2)
    torch.nn.init.normal_(model.network.head.weight)
    save_prior(tmp_path / "prior.safetensors", model, {"seed": 3})
    read = load_prior(tmp_path / "prior.safetensors")
    noisy, sigma = torch.rand(2, 5, 5), torch.tensor([0.2, 0.4])
    torch.testing.assert_close(read.diffusion.denoise(noisy, sigma), model.denoise(noisy, sigma).detach())
    torch.testing.assert_close(read.gaussian.denoise(noisy, sigma), model.gaussian.denoise(noisy, sigma))
    assert read.about == {"seed": 3}
    assert not any(parameter.requires_grad for parameter in read.diffusion.parameters())


def test_another_checkpoint_is_refused(tmp_path):
    save_checkpoint(tmp_path / "other.safetensors", {"means": torch.zeros(3)}, {})
    with pytest.raises(UnreadableFile, match="no prior of functional maps"):
        load_prior(tmp_path / "other.safetensors")


def test_the_shipped_prior_is_small_and_tells_its_source():
    path = files("geokit.spectral.prior") / "functional_maps.safetensors"
    assert len(path.read_bytes()) < 20e6
    prior = load_prior()
    assert len(prior.gaussian) == len(prior.diffusion) == 30
    assert prior is load_prior()
    assert {"families", "seed", "maps", "steps"} <= set(prior.about)


@pytest.mark.parametrize("level", [0.1, 0.3, 1.0])
def test_the_shipped_prior_brings_a_map_of_an_unseen_shape_back_from_noise(level):
    """Better than the mean map, which needs no denoiser."""
    prior, size = load_prior(), truth().abs().float()
    noisy = size + level * torch.randn(64, 30, 30, generator=torch.Generator().manual_seed(0))
    sigma = torch.full((64,), level)

    def error(estimate: torch.Tensor) -> float:
        return float((estimate - size).square().mean().sqrt())

    for denoise in (prior.gaussian.denoise, prior.diffusion.denoise):
        assert error(denoise(noisy, sigma)) < min(0.6 * level, error(prior.gaussian.mean))


def truth() -> torch.Tensor:
    """C from a blob to the same blob bent and stretched, whose vertices correspond."""
    rest = blob()
    x, y, z = rest.vertices.unbind(1)
    bent = torch.stack([x + 0.3 * z.square(), 1.1 * y, 1.2 * z], 1)
    bases = []
    for vertices in (rest.vertices, bent):
        mesh = Mesh(vertices, rest.faces)
        bases.append(eigenbasis(laplacian(mesh.replace(vertices=vertices / mesh.area() ** 0.5)), 30))
    return functional_map_of(torch.arange(len(rest.vertices)), *bases)
