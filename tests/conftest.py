import os
import subprocess
import sys

import pytest
from hypothesis import settings

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"

settings.register_profile("mbfast", deadline=None, max_examples=30 if JIT_OFF else 200)
settings.load_profile("mbfast")


def pytest_collection_modifyitems(items):
    for item in items:
        if JIT_OFF and item.get_closest_marker("compiled"):
            item.add_marker(pytest.mark.skip(reason="needs the JIT"))


@pytest.fixture
def run_python():
    """Run code in a fresh interpreter with additional environment variables; return what it prints."""

    def run(code, **environment):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
