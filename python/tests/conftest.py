"""Lets the tests import the package from the source tree, installed or not; shared fixtures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """A folder for files that the next test may overwrite."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def built():
    """Fails a test at once, with what to do, where there is no ``fusewright`` to run."""
    from replay import Unavailable, binary

    try:
        return binary()
    except Unavailable as error:
        pytest.fail(str(error), pytrace=False)


def pytest_addoption(parser):
    parser.addoption("--heavy", action="store_true", help="run tests that take minutes, too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--heavy"):
        return
    skip = pytest.mark.skip(reason="takes minutes: --heavy runs it")
    for item in items:
        if "heavy" in item.keywords:
            item.add_marker(skip)
