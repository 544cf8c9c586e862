import pytest
from geokit.viewer import Viewer


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made
