"""A department on each of the two databases."""

from collections.abc import Iterator

import pytest

from dicomweb_server.records.database import Database
from tests.reading.department import Department, department


@pytest.fixture
def staffed(database: Database) -> Iterator[Department]:
    with department(database) as made:
        yield made
