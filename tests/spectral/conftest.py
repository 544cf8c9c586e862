"""On one thread: idle threads cost more than they give on a busy machine."""

import pytest

from tests.reference.comparison import threads


@pytest.fixture(autouse=True)
def one_thread():
    with threads(1):
        yield
