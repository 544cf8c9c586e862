"""The deformable shapes with known correspondence that tests and benchmarks of spectral methods are measured on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh


@dataclass(frozen=True)
class Known:
    """A mesh whose vertex `landmarks[i]` corresponds to `landmarks[i]` of the others of its class.

    mirrored: the same, left and right exchanged.
    """

    name: str
    mesh: Mesh
    landmarks: Tensor
    mirrored: Tensor


def load_known(folder: Path, name: str) -> Known:
    """A shape of faust_r_train ("tr_reg_000") or tosca_r ("cat0"); `folder` is the data folder."""
    kind = "faust_r_train" if name.startswith("tr_reg") else "tosca_r"
    with np.load(folder / "functional_maps" / kind / f"{name}.npz") as arrays:
        vertices = torch.from_numpy(arrays["v"]).double()
        faces, landmarks, mirrored = (torch.from_numpy(arrays[key]).long() for key in ("f", "vts", "vts_sym"))
    return Known(name, Mesh(vertices, faces), landmarks, mirrored)


def names(folder: Path, kind: str) -> list[str]:
    """All shapes of "faust_r_train" or "tosca_r", in order."""
    return sorted(path.stem for path in (folder / "functional_maps" / kind).glob("*.npz"))
