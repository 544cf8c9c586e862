import pytest
import torch

from geokit.errors import InvalidInput, UnreadableFile
from geokit.spectral.diffusion_net import DiffusionNet
from geokit.spectral.diffusion_net_weights import convert_diffusion_net, read_diffusion_net


def published_state(first: str, block: str, layer: str) -> dict[str, torch.Tensor]:
    """Random weights under the names of published checkpoints: 5 channels in, width 4, hidden 6 and 7, 3 out."""
    torch.manual_seed(0)
    state = {f"first_{first}.weight": torch.randn(4, 5), f"first_{first}.bias": torch.randn(4)}
    state |= {f"last_{first}.weight": torch.randn(3, 4), f"last_{first}.bias": torch.randn(3)}
    for number in range(2):
        name = block.format(number)
        state[f"{name}.diffusion.diffusion_time"] = torch.rand(4)
        state[f"{name}.gradient_features.A_re.weight"] = torch.randn(4, 4)
        state[f"{name}.gradient_features.A_im.weight"] = torch.randn(4, 4)
        for i, (before, after) in enumerate(((12, 6), (6, 7), (7, 4))):
            state[f"{name}.mlp.{layer}_{i:03d}.weight"] = torch.randn(after, before)
            state[f"{name}.mlp.{layer}_{i:03d}.bias"] = torch.randn(after)
    return state


@pytest.mark.parametrize("names", [("linear", "blocks.{}", "miniMLP_linear"), ("lin", "block_{}", "miniMLP_mlp_layer")])
def test_both_lineages_are_read(names, tmp_path):
    state = published_state(*names)
    network = convert_diffusion_net(state)
    assert not network.training
    assert network.blocks[0].gradient.legacy
    assert (network.first.in_features, network.last.out_features, len(network.blocks)) == (5, 3, 2)
    assert sum(p.numel() for p in network.parameters()) == sum(t.numel() for t in state.values())
    last = state[f"{names[1].format(1)}.mlp.{names[2]}_002.weight"]
    assert torch.equal(network.blocks[1].mlp[6].weight, last)
    assert torch.equal(network.blocks[1].diffusion.times, state[f"{names[1].format(1)}.diffusion.diffusion_time"])
    torch.save({"networks": {"feature_extractor": state, "fmap_net": {}}}, tmp_path / "checkpoint.pth")
    read = read_diffusion_net(tmp_path / "checkpoint.pth", legacy=False)
    assert torch.equal(read.blocks[0].gradient.imaginary.weight, network.blocks[0].gradient.imaginary.weight)
    assert not read.blocks[0].gradient.legacy


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(UnreadableFile, match=r"text\.pth is not a checkpoint of tensors"):
        read_diffusion_net(tmp_path / "text.pth")
    torch.save(DiffusionNet(3, 3, 4, 1), tmp_path / "whole.pth")  # code in it
    with pytest.raises(UnreadableFile, match=r"whole\.pth is not a checkpoint of tensors"):
        read_diffusion_net(tmp_path / "whole.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UnreadableFile, match=r"other\.pth holds no DiffusionNet"):
        read_diffusion_net(tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(UnreadableFile, match=r"tensor\.pth holds no DiffusionNet"):
        read_diffusion_net(tmp_path / "tensor.pth")


def test_wrong_sizes_are_refused():
    state = published_state("linear", "blocks.{}", "miniMLP_linear")
    state["blocks.1.gradient_features.A_re.weight"] = torch.zeros(5, 5)
    with pytest.raises(InvalidInput, match="not that of a DiffusionNet"):
        convert_diffusion_net(state)
