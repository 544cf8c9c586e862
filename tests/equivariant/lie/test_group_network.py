"""GroupConvNet: runs for every group, reproducible in evaluation, new samples in training, refusals, invariance."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SL, SO, Affine, GLPlus, GroupConvNet, O
from geokit.errors import InvalidInput
from tests.equivariant.lie.pictures import blobs
from tests.equivariant.lie.sets_of_elements import closed_set

IMAGES = torch.rand(2, 1, 24, 22, generator=torch.Generator().manual_seed(0))


def network(group=None, seed=0, **options):
    torch.manual_seed(seed)
    options = {"widths": (4, 6), "classes": 3, "samples": 4, "hidden": 16} | options
    return GroupConvNet(group or GLPlus(2), **options)


@pytest.mark.parametrize("mixing", ["separable", "dense"])
@pytest.mark.parametrize("group", [GLPlus(2), SL(2), CSO(2), SO(2), Affine(GLPlus(2))], ids=repr)
def test_forward_and_backward(group, mixing):
    net = network(group, mixing=mixing)
    scores = net(IMAGES)
    assert scores.shape == (2, 3)
    scores.square().sum().backward()
    for name, parameter in net.named_parameters():
        # Normalisation takes off what a convolution adds everywhere.
        assert parameter.grad is not None, name
        if not name.endswith("convolution.bias"):
            assert bool(parameter.grad.isfinite().all()), name
            assert float(parameter.grad.abs().max()) > 0, name


def test_an_image_is_seen_by_itself_and_a_batch_may_be_empty():
    net = network().eval()
    with torch.no_grad():
        assert torch.allclose(net(IMAGES[:1]), net(IMAGES)[:1], atol=1e-5)
        assert net(IMAGES[:0]).shape == (0, 3)
        assert float((net(IMAGES[:1]) - net(IMAGES[1:])).abs().max()) > 1e-3
    assert net.width == 6
    samples = net.resample(like=IMAGES)
    assert net.features(IMAGES, samples).shape == (2, 6, 4, 6, 5)


def test_evaluation_is_reproducible_and_training_draws_new_samples():
    net = network(dropout=0.0).eval()
    with torch.no_grad():
        assert torch.equal(net(IMAGES), net(IMAGES))
        drawn = net.resample(torch.Generator().manual_seed(1), like=IMAGES)
        assert not torch.allclose(net(IMAGES, drawn), net(IMAGES), atol=1e-4)
        fixed = net(IMAGES)
        net.train()
        torch.manual_seed(0)
        first, second = net(IMAGES), net(IMAGES)
        assert not torch.allclose(first, second, atol=1e-4)
        torch.manual_seed(0)
        assert torch.equal(net(IMAGES), first)
        assert torch.equal(net(IMAGES, net.resample(like=IMAGES)), fixed)


def test_options_reach_the_samples():
    few, wide, haar = network(samples=3), network(spread=0.5), network(haar=True)
    assert len(few.resample(like=IMAGES)) == 3
    assert float(wide.resample(like=IMAGES).x.abs().max()) > 2 * float(network().resample(like=IMAGES).x.abs().max())
    assert float(haar.resample(like=IMAGES).weights.std()) > 0.1
    assert haar.resample(like=IMAGES.double()).elements.dtype == torch.float64
    with torch.no_grad():
        assert not torch.allclose(haar.eval()(IMAGES), network().eval()(IMAGES), atol=1e-4)


@pytest.mark.parametrize("mixing", ["separable", "dense"])
@pytest.mark.parametrize("group", [GLPlus(2), SL(2), SO(2)], ids=repr)
def test_quarter_turns_change_nothing_with_samples_that_hold_them(group, mixing):
    """Sides that halving leaves whole: 28 - 4 = 24, then 12."""
    net, samples = network(group, mixing=mixing).double().eval(), closed_set(group, 2, seed=0)
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        wanted = net(images, samples)
        assert torch.allclose(net(torch.rot90(images, 1, (2, 3)), samples), wanted, atol=1e-9)
        assert not torch.allclose(net(images.flip(-1), samples), wanted, atol=1e-4)


def test_moved_pictures_change_less_with_more_samples():
    """The maximum over more elements comes nearer to that over the group."""
    turns = SO(2).sample(4, generator=torch.Generator().manual_seed(0))
    changes = {}
    for count in (3, 24):
        changes[count] = 0.0
        for seed in range(3):
            net = network(SO(2), seed=seed, samples=count, omega=5.0, widths=(6,), kernel_size=9).double().eval()
            with torch.no_grad():
                own = torch.cat([net.features(blobs(40, seed=i), net.resample(like=blobs(8))) for i in range(2)])
                own = own.amax((2, 3, 4))
                for turn in turns:
                    moved = [net.features(blobs(40, turn, seed=i), net.resample(like=blobs(8))) for i in range(2)]
                    changes[count] += float(
                        (torch.cat(moved).amax((2, 3, 4)) - own).square().sum() / own.square().sum()
                    )
    assert changes[24] < 0.2 * changes[3]


def test_what_cannot_be():
    for options in ({"widths": ()}, {"widths": (4, 0)}, {"in_channels": 0}, {"classes": 0}, {"samples": 0}):
        with pytest.raises(InvalidInput, match="must be at least 1"):
            network(**options)
    with pytest.raises(InvalidInput, match="mixing must be separable or dense"):
        network(mixing="both")
    with pytest.raises(InvalidInput, match="an odd number of pixels"):
        network(kernel_size=4)
    for group, sentence in ((SL(3), "acts on the plane"), (O(2), "holds mirror images")):
        with pytest.raises(InvalidInput, match=sentence):
            network(group)
    with pytest.raises(InvalidInput, match="spread must be positive"):
        network(spread=-1.0)(IMAGES)
    with pytest.raises(InvalidInput, match="at least 20 pixels, got"):
        network()(IMAGES[..., :19])
    with pytest.raises(InvalidInput, match=r"must be \(B, 1, H, W\)"):
        network()(IMAGES.repeat(1, 2, 1, 1))
    with pytest.raises(InvalidInput, match="image 1 of 2 holds values that are NaN or infinite"):
        network()(IMAGES.index_fill(0, torch.tensor(1), torch.nan))
    with pytest.raises(InvalidInput, match=r"got torch\.int64; convert bytes"):
        network()(IMAGES.long())
    net = network(SO(2))
    with pytest.raises(InvalidInput, match="for samples of SO"):
        net(IMAGES, network(SL(2)).resample(like=IMAGES))
