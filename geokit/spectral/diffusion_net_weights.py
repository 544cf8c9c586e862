"""Weights of DiffusionNets that were trained elsewhere."""

import re
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.spectral.diffusion_net import DiffusionNet

# Either lineage's names: "blocks.0.mlp.miniMLP_linear_000.weight", "block_0.mlp.miniMLP_mlp_layer_000.weight".
_RENAMED = (
    (r"^first_lin(?:ear)?\.(\w+)$", r"first.\1"),
    (r"^last_lin(?:ear)?\.(\w+)$", r"last.\1"),
    (r"^blocks?[._](\d+)\.diffusion\.diffusion_time$", r"blocks.\1.diffusion.times"),
    (r"^blocks?[._](\d+)\.gradient_features\.A_re\.weight$", r"blocks.\1.gradient.real.weight"),
    (r"^blocks?[._](\d+)\.gradient_features\.A_im\.weight$", r"blocks.\1.gradient.imaginary.weight"),
)
_LAYER = re.compile(r"^blocks?[._](\d+)\.mlp\.\w+?_(\d+)\.(\w+)$")


def read_diffusion_net(path: Path | str, *, legacy: bool = True) -> DiffusionNet:
    """The network of a checkpoint file of ULRSSM (Cao, Roetzer and Bernard 2023) and its relatives, or of DiffusionNet.

    Read as tensors only: a file that holds anything else is refused. Checkpoints of that lineage were trained with the
    exchanged product (`GradientFeatures`); for those of the original code give legacy=False.
    Raises `UnreadableFile` for files that are no such checkpoints.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UnreadableFile(f"{path} is not a checkpoint of tensors ({str(error).splitlines()[0][:200]})") from error
    try:
        networks = content.get("networks", content)
        return convert_diffusion_net(networks.get("feature_extractor", networks), legacy=legacy)
    except (AttributeError, InvalidInput) as error:
        raise UnreadableFile(f"{path} holds no DiffusionNet: {error}") from error


def convert_diffusion_net(state: dict[str, Tensor], *, legacy: bool = True) -> DiffusionNet:
    """The network of a state dict with the names of ULRSSM or of the original DiffusionNet, in evaluation mode.

    Sizes are those of the tensors. Raises `InvalidInput` for names or sizes of another network.
    """
    renamed = {_renamed(name): value for name, value in state.items()}
    try:
        blocks = 1 + max(int(name.split(".")[1]) for name in renamed if name.startswith("blocks."))
        inner = [name for name in renamed if re.match(r"blocks\.0\.mlp\.\d+\.bias", name)]
        hidden = [len(renamed[name]) for name in sorted(inner, key=lambda n: int(n.split(".")[3]))][:-1]
        (width, inputs), (outputs, _) = renamed["first.weight"].shape, renamed["last.weight"].shape
        network = DiffusionNet(inputs, outputs, width, blocks, hidden=hidden, legacy=legacy)
        network.load_state_dict(renamed)
    except (ValueError, KeyError, RuntimeError) as error:
        raise InvalidInput(f"the state dict is not that of a DiffusionNet with gradient features: {error}") from error
    return network.eval()


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    layer = _LAYER.match(name)
    if layer:  # a layer is followed by its activation and its dropout
        return f"blocks.{layer[1]}.mlp.{3 * int(layer[2])}.{layer[3]}"
    return name
