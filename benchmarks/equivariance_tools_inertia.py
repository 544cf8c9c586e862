"""Five masses to their inertia tensor, exactly symmetric or broken along z: free, soft and hard equivariance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from common import in_own_process, print_table
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from geokit.equivariant.soft_equivariance import SoftEquivariance
from geokit.equivariant.soft_projectors import TensorSum
from geokit.equivariant.symmetries import orthogonal_maps, rotations_about
from geokit.equivariant.tensor_network import TensorMLP
from geokit.pipelines.train_loop import Problem, TrainLoop
from geokit.pipelines.train_settings import TrainSettings

SECONDS, SAMPLES, BREAKING = 30.0, 1000, 1.0
REP_IN, REP_HIDDEN, REP_OUT = TensorSum((5, 5)), TensorSum((16, 16, 8)), TensorSum((0, 0, 1))
GROUPS = {"O(3)": orthogonal_maps(3), "about z": rotations_about((0, 0, 1), mirrors=True)}
EVERY = 20  # steps between two looks at the strengths


@dataclass(frozen=True)
class Bodies:
    inputs: Tensor
    targets: Tensor


def bodies(count: int, seed: int, broken: bool) -> Bodies:
    """Masses softplus(normal), normal positions; broken: the zz entry has sum m z^2 besides, so that only rotations
    about z and mirrors through it are left."""
    generator = torch.Generator().manual_seed(seed)
    m, x = softplus(torch.randn(count, 5, generator=generator)), torch.randn(count, 5, 3, generator=generator)
    squares = x.square().sum(-1)[..., None, None] * torch.eye(3)
    tensors = (m[..., None, None] * (squares - x[..., :, None] * x[..., None, :])).sum(1)
    if broken:
        tensors[:, 2, 2] += BREAKING * (m * x[..., 2].square()).sum(1)
    return Bodies(torch.cat([m, x.flatten(1)], 1), tensors.flatten(1))


def plain() -> nn.Module:
    width = REP_HIDDEN.size
    return nn.Sequential(
        nn.Linear(REP_IN.size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, REP_OUT.size)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "plain MLP": plain,
    "tensor MLP, free weights": lambda: TensorMLP(REP_IN, REP_HIDDEN, REP_OUT),
    "the same, soft": lambda: TensorMLP(REP_IN, REP_HIDDEN, REP_OUT),
    "hard, O(3)": lambda: TensorMLP(REP_IN, REP_HIDDEN, REP_OUT, symmetry=GROUPS["O(3)"]),
    "hard, about z": lambda: TensorMLP(REP_IN, REP_HIDDEN, REP_OUT, symmetry=GROUPS["about z"]),
}


def trained(name: str, broken: bool, seconds: float, seed: int = 0) -> dict[str, Any]:
    """The test error, in units of the variance of the targets, of the network that validation selects."""
    learned, valid, test = (bodies(SAMPLES, 3 * seed + i, broken) for i in range(3))
    scale = float(learned.targets.std())
    torch.manual_seed(seed)
    net = NETWORKS[name]()
    soft = None
    if name.endswith("soft"):
        soft = SoftEquivariance(net, GROUPS, REP_IN, REP_HIDDEN, REP_OUT)
        soft.start_near("O(3)")
    steps = [0]

    @torch.no_grad()
    def error(candidate: nn.Module, data: Bodies) -> float:
        return float(mse_loss(candidate(data.inputs), data.targets / scale))

    def loss(rows: Tensor) -> Tensor:
        task = mse_loss(net(learned.inputs[rows]), learned.targets[rows] / scale)
        if soft is None:
            return task
        steps[0] += 1
        if steps[0] % EVERY == 0:
            soft.retune(error(net, valid))  # the loss on the samples learned from says too little once they are known
        return task + soft()

    settings = TrainSettings(cpu_seconds=seconds, batch=100, rate=3e-3, average=0.99, seed=seed)
    loop = TrainLoop(Problem(net, SAMPLES, loss, lambda n: error(n, valid), "mean squared error"), settings)
    for _ in loop.steps():
        pass
    loop.averaged.load_state_dict(loop.best)
    strengths = soft.current_strengths() if soft else {}
    violations = soft.relative_violations() if soft else {}
    return {
        "network": name,
        "target": "broken" if broken else "exact",
        "parameters": sum(p.numel() for p in net.parameters()),
        "test": error(loop.averaged, test),
        "CPU s": loop.cpu_seconds,
        "steps": loop.step_number,
        **{f"strength {group}": strengths.get(group) for group in GROUPS},
        **{f"violation {group}": violations.get(group) for group in GROUPS},
    }


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(trained, name, broken, SECONDS) for broken in (False, True) for name in NETWORKS]
    print_table(
        f"Inertia tensors of 5 bodies, {SAMPLES:,} samples to learn from, test mean squared error over variance",
        rows,
        "strength and violation: of the penalty of each group, learned; |w - Pw|^2 over |w|^2",
    )
    return rows
