"""What walks remember: the studies there are, whoever reads them when and how far."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import storage.lmdb_walks as lmdb_walks
from storage.lmdb_index import LmdbIndex
from storage.lmdb_walks import StudyWalks
from storage.searching import FIRST_RANK
from storage.testing.facts import landed
from storage.testing.index import apply
from tests.storage.index_worker import open_index

STUDIES = 300
"""So many that they are several stretches: one of 32, then of 64."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LmdbIndex]:
    index = open_index(tmp_path)
    add(index, *range(STUDIES))
    yield index
    index.close()


def add(index: LmdbIndex, *numbers: int) -> None:
    apply(
        index,
        *(landed(f"{n + 1}.1.1", study=f"{n + 1}", series=f"{n + 1}.1", number=n) for n in numbers),
    )


@pytest.fixture
def walks(index: LmdbIndex) -> StudyWalks:
    return StudyWalks(index._tables)


class Reading:
    """A transaction of which it is counted how often a table is looked into."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction
        self.cursors = 0

    def id(self) -> int:
        number: int = self._transaction.id()
        return number

    def cursor(self, **of: Any) -> Any:
        self.cursors += 1
        return self._transaction.cursor(**of)


def ranks(walks: StudyWalks, transaction: Any, first: bytes = FIRST_RANK) -> list[bytes]:
    found = []
    for stretch in walks.stretches(transaction, first):
        assert [record for _, record in stretch.studies] == stretch.records != []
        found += [rank for rank, _ in stretch.studies]
    return found


def there(index: LmdbIndex, transaction: Any) -> list[bytes]:
    with transaction.cursor(db=index._tables.ranks) as cursor:
        return list(cursor.iternext(values=False))


def test_who_walks_again_reads_nothing(index: LmdbIndex, walks: StudyWalks) -> None:
    with index._environment.read() as transaction:
        reading = Reading(transaction)
        first = ranks(walks, reading)
        assert (len(first), reading.cursors) == (STUDIES, 1)
        assert ranks(walks, reading) == first == there(index, transaction)
        assert reading.cursors == 1
        # Whoever begins elsewhere does.
        assert ranks(walks, reading, first[100]) == first[100:]
        assert ranks(walks, reading, first[-1] + b"\0") == []
        assert reading.cursors == 3


def test_of_an_index_without_studies_there_is_nothing_to_be_read(tmp_path: Path) -> None:
    index = open_index(tmp_path / "empty")
    walks = StudyWalks(index._tables)
    with index._environment.read() as transaction:
        for _ in range(2):
            assert ranks(walks, transaction) == []
    add(index, 1)
    with index._environment.read() as transaction:
        assert len(ranks(walks, transaction)) == 1
    index.close()


@pytest.mark.parametrize("stretches", range(7))
def test_who_goes_further_reads_the_rest(
    index: LmdbIndex, walks: StudyWalks, stretches: int
) -> None:
    with index._environment.read() as transaction:
        begun = walks.stretches(transaction, FIRST_RANK)
        for _ in range(stretches):
            next(begun, None)
        del begun
        for _ in range(2):
            assert ranks(walks, transaction) == there(index, transaction)


def test_what_is_written_is_seen_and_only_by_who_begins_after_it(
    index: LmdbIndex, walks: StudyWalks
) -> None:
    with index._environment.read() as earlier:
        before = ranks(walks, earlier)
        add(index, STUDIES)
        for _ in range(2):
            with index._environment.read() as later:
                assert len(ranks(walks, later)) == STUDIES + 1
                assert ranks(walks, later) == there(index, later)
            assert ranks(walks, earlier) == before


def test_two_who_walk_at_once_both_pass_all(index: LmdbIndex, walks: StudyWalks) -> None:
    with index._environment.read() as one, index._environment.read() as other:
        walking = [walks.stretches(one, FIRST_RANK), walks.stretches(other, FIRST_RANK)]
        passed: list[list[bytes]] = [[], []]
        for turn in (0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1):
            stretch = next(walking[turn], None)
            passed[turn] += [rank for rank, _ in stretch.studies] if stretch else []
        assert passed[0] == passed[1] == ranks(walks, one) == there(index, one)


@pytest.mark.parametrize(("bound", "least"), [("LONGEST", 3), ("KEPT_BYTES", 20_000)])
def test_a_long_walk_is_kept_in_part(
    index: LmdbIndex, walks: StudyWalks, monkeypatch: pytest.MonkeyPatch, bound: str, least: int
) -> None:
    monkeypatch.setattr(lmdb_walks, bound, least)
    with index._environment.read() as transaction:
        reading = Reading(transaction)
        for _ in range(3):
            assert ranks(walks, reading) == there(index, transaction)
    assert reading.cursors == 3
    assert 1 <= len(walks._newest.stretches) <= 3
