from pathlib import Path

import pytest
import torch

from geokit.pipelines.reconstruct import reconstruct
from tests.pipelines.synthetic import QUICK, write_capture


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def capture(tmp_path_factory) -> Path:
    return write_capture(tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="session")
def run(capture, tmp_path_factory) -> Path:
    """The folder of a finished reconstruction; not to be changed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "out"
    reconstruct(capture, folder, **QUICK)
    return folder
