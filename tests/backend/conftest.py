"""Kernel tests run on one thread: idle threads of the slow references cost more than they give on a busy machine.

The tests named `..._thread_count` choose their own numbers of threads.
"""

import pytest

from tests.reference.comparison import threads


@pytest.fixture(autouse=True)
def one_thread():
    with threads(1):
        yield
