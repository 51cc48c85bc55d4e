"""Studies that walks have passed lately: worklists are searched many times between two writes, and
to have LMDB name a study takes five times what it takes to see in a list that it does not match."""

import threading
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from storage.lmdb_environment import Tables, Transaction

FEWEST_TOGETHER, MOST_TOGETHER = 32, 64
"""Studies that a walk looks through at once: few at first, since the page may be full soon."""

LONGEST = 64
"""Stretches of one walk that are kept, some 4,000 studies: the page is full long before, or the
walk is a long one anyway."""

KEPT_BYTES = 8 << 20
"""Of records and what comes with them: some 12,000 studies."""

_ENTRY_BYTES = 200
"""About what a study weighs without its record."""

_record = itemgetter(1)


class Stretch(NamedTuple):
    """Some studies by date, one after the other: rank and record of each, and the records alone."""

    studies: list[tuple[bytes, bytes]]
    records: list[bytes]


class _Walk:
    """Its first stretches, as far as they have been read."""

    __slots__ = ("is_whole", "stretches")

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.is_whole = False


class StudyWalks:
    """Of one process; any thread may call. Right for as long as nothing is written."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._moment = -1
        self._walks: dict[bytes, _Walk] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def stretches(self, transaction: Transaction, first: bytes) -> Iterator[Stretch]:
        """All studies from that rank on."""
        walk = self._walk(transaction.id(), first)
        number = 0
        while True:
            is_whole = walk.is_whole  # Before what there is, to which somebody may add meanwhile.
            if number == len(walk.stretches):
                break
            yield walk.stretches[number]
            number += 1
        if is_whole:
            return
        with transaction.cursor(db=self._tables.ranks) as cursor:
            begin = walk.stretches[number - 1].studies[-1][0] + b"\0" if number else first
            studies = iter(cursor) if cursor.set_range(begin) else iter(())
            while True:
                together = min(FEWEST_TOGETHER << min(number, 16), MOST_TOGETHER)
                passed = list(islice(studies, together))
                stretch = Stretch(passed, list(map(_record, passed)))
                self._keep(walk, number, stretch, is_last=len(passed) < together)
                if passed:
                    yield stretch
                if len(passed) < together:
                    return
                number += 1

    def _walk(self, moment: int, first: bytes) -> _Walk:
        with self._lock:
            if moment > self._moment or self._bytes > KEPT_BYTES:
                self._moment, self._walks, self._bytes = moment, {}, 0
            if moment < self._moment:
                return _Walk()  # Somebody who began before the last write; nobody else will.
            return self._walks.setdefault(first, _Walk())

    def _keep(self, walk: _Walk, number: int, stretch: Stretch, *, is_last: bool) -> None:
        """Two who walk at the same time read the same. What is too much is kept no more, and gone
        with the next walk that begins."""
        with self._lock:
            if number == len(walk.stretches) < LONGEST and self._bytes <= KEPT_BYTES:
                if stretch.studies:
                    walk.stretches.append(stretch)
                walk.is_whole = is_last
                self._bytes += sum(map(len, stretch.records))
                self._bytes += _ENTRY_BYTES * len(stretch.records)
