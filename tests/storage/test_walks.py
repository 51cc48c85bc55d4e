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
        assert ranks(walks, reading, first[100]) == first[100:]
        assert ranks(walks, reading, first[-1] + b"\0") == []
        assert ranks(walks, reading, first[-1] + b"\0") == []


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
            for stretch in (next(walking[turn], None),):
                passed[turn] += [rank for rank, _ in stretch.studies] if stretch else []
        assert passed[0] == passed[1] == ranks(walks, one) == there(index, one)


def test_a_long_walk_is_kept_in_part_and_all_of_them_are_bounded(
    index: LmdbIndex, walks: StudyWalks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_walks, "LONGEST", 3)
    monkeypatch.setattr(lmdb_walks, "KEPT_BYTES", 100_000)
    with index._environment.read() as transaction:
        all_there = there(index, transaction)
        for number in (0, 0, *range(0, STUDIES, 10)):
            assert ranks(walks, transaction, all_there[number]) == all_there[number:]
            kept = [len(walk.stretches) for walk in walks._walks.values()]
            assert max(kept) <= 3
            # What made it too much is one stretch.
            assert walks._bytes < 100_000 + 64 * 1000
