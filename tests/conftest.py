"""What every test may ask for: the real DICOM files beside the project, when they are there, and
the databases of the records."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.records.databases import database, migrated, postgresql, records_url

__all__ = ["database", "migrated", "postgresql", "records_url", "shared_data"]

# No test is timed: on a busy machine anything takes long, also making the examples.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

LONGEST = ("test_viewer.py", "test_crash.py", "test_report_pages.py")
"""Files that take minutes, the longest first."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, a file each, no process is left with a long one at the end.
    Alone the quick ones come first, as they are written."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path.name, len(places)))


SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real DICOM files beside the project; its own README says what they are.

    A newcomer has none and the test is skipped. In CI it must be there.
    """
    if not SHARED_DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED_DATA} is missing, and nothing is skipped in CI")
        pytest.skip(f"{SHARED_DATA} is missing: real DICOM files are not part of the project")
    return SHARED_DATA
