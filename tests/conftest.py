"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of test data: GEOKIT_TEST_DATA, or shared/data beside the repository; skips where there is none."""
    named = os.environ.get("GEOKIT_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test data: {folder} is not a folder; set GEOKIT_TEST_DATA")
    return folder
