"""Settings of the whole test-suite: where modules are found, how random tests repeat, and the long runs."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# A failure prints `@reproduce_failure(...)`, and pytest-hypothesis the seed for `--hypothesis-seed`.
# CHAINNODE_HYPOTHESIS names a profile: how much each random test tries. How long an example takes is not judged, machines differ.
_QUIET = {"print_blob": True, "deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=25, **_QUIET)
settings.register_profile("full", max_examples=100, **_QUIET)
settings.register_profile("soak", max_examples=5_000, phases=[Phase.explicit, Phase.generate, Phase.shrink], **_QUIET)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--soak`."""
    parser.addoption("--soak", action="store_true", help="run the long tests too, and each random test far longer")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how much the random tests try, unless --hypothesis-profile says so."""
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("soak" if config.getoption("--soak") else os.environ.get("CHAINNODE_HYPOTHESIS", "full"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests unless `--soak` is given."""
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="a long run; give --soak"))
