"""Every study by its date, newest first, and how to pass over many of them.

`postings` has a list of studies for each Study Date. LMDB knows how long each is, so a page far
behind, or the number of studies of some years, costs a step for each day and not one for each
study: offset 100,000 among a million studies of sixteen years is 600 steps.
"""

from collections.abc import Callable, Iterator
from itertools import islice

from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_postings import DAY, postings
from storage.searching import DAY_LENGTH, FIRST_RANK, LAST_RANK

PASSED_ONE_BY_ONE = 10_000
"""So many studies are passed over sooner than the days they lie in are looked at."""


class Days:
    """The studies from rank `first` to rank `last`, both included, of which `test` is true.

    sure  whether all studies with ranks that begin so are known to pass the test; None when all
          studies are
    """

    def __init__(
        self,
        transaction: Transaction,
        tables: Tables,
        first: bytes,
        last: bytes,
        *,
        sure: Callable[[bytes], bool] | None,
        test: Callable[[bytes], bool],
    ) -> None:
        self._transaction = transaction
        self._tables = tables
        self._first = first
        self._last = last
        self._all_sure = sure is None
        self._sure = sure or (lambda day: True)
        self._test = test

    def ranks(self, skip: int) -> Iterator[bytes]:
        """All but the first `skip` of them."""
        if self._all_sure and skip <= PASSED_ONE_BY_ONE:
            yield from self._one_by_one(skip)
            return
        for key, length in self._lists():
            if length is not None and length <= skip:
                skip -= length
                continue
            for rank in self._on(key):
                if skip:
                    skip -= 1
                else:
                    yield rank

    def _one_by_one(self, skip: int) -> Iterator[bytes]:
        """The same, through the lists as if they were one."""
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            key = DAY + self._first[:DAY_LENGTH]
            there = cursor.set_range(key)
            if there and cursor.key() == key and not cursor.set_range_dup(key, self._first):
                there = cursor.set_range(key + b"\0")
            if not there:
                return
            for key, rank in islice(cursor, skip, None):
                if not key.startswith(DAY) or rank > self._last:
                    return
                yield rank

    def count(self) -> int:
        return sum(
            sum(1 for _ in self._on(key)) if length is None else length
            for key, length in self._lists()
        )

    def _lists(self) -> Iterator[tuple[bytes, int | None]]:
        """The lists, newest first, with the length of one that counts as a whole."""
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            there = cursor.set_range(DAY + self._first[:DAY_LENGTH])
            while there:
                key = cursor.key()
                day = key[len(DAY) :]
                if not key.startswith(DAY) or day > self._last[:DAY_LENGTH]:
                    return
                yield key, cursor.count() if self._is_whole(day) else None
                there = cursor.next_nodup()

    def _on(self, key: bytes) -> Iterator[bytes]:
        """Those of one list."""
        ranks = postings(self._transaction, self._tables, key, self._first, self._last)
        return ranks if self._sure(key[len(DAY) :]) else filter(self._test, ranks)

    def _is_whole(self, day: bytes) -> bool:
        begins = self._first <= day + FIRST_RANK[DAY_LENGTH:]
        return begins and day + LAST_RANK[DAY_LENGTH:] <= self._last and self._sure(day)
