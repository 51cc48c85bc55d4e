"""Studies that walks have passed lately: worklists are searched many times between two writes, and
to have LMDB name a study takes five times what it takes to see in a list that it does not match."""

import threading
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from storage.lmdb_environment import Tables, Transaction
from storage.searching import FIRST_RANK

FEWEST_TOGETHER, MOST_TOGETHER = 32, 64
"""Studies that a walk looks through at once: few at first, since the page may be full soon."""

LONGEST = 64
"""Stretches that are kept, some 4,000 studies: the page is full long before, or the walk is a long
one anyway."""

KEPT_BYTES = 4 << 20
"""Of records and what comes with them."""

_ENTRY_BYTES = 200
"""About what a study weighs without its record."""

_record = itemgetter(1)


class Stretch(NamedTuple):
    """Some studies by date, one after the other: rank and record of each, and the records alone."""

    studies: list[tuple[bytes, bytes]]
    records: list[bytes]


class _Walk:
    """Its first stretches, as far as they have been read.

    moment  of the index
    """

    __slots__ = ("bytes", "is_whole", "moment", "stretches")

    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.stretches: list[Stretch] = []
        self.bytes = 0
        self.is_whole = False


class StudyWalks:
    """Of one process; any thread may call. The walk from the newest study on is kept, for as long
    as nothing is written: it is what searches without a date have in common. Of walks within dates
    there are many, and to keep one costs as much as to read it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._newest = _Walk(-1)
        self._lock = threading.Lock()

    def stretches(self, transaction: Transaction, first: bytes) -> Iterator[Stretch]:
        """All studies from that rank on."""
        if first != FIRST_RANK:
            yield from self._read(transaction, first, 0)
            return
        walk = self._walk(transaction.id())
        number = 0
        while True:
            is_whole = walk.is_whole  # Before what there is, to which somebody may add meanwhile.
            if number == len(walk.stretches):
                break
            yield walk.stretches[number]
            number += 1
        if is_whole:
            return
        begin = walk.stretches[number - 1].studies[-1][0] + b"\0" if number else first
        for stretch in self._read(transaction, begin, number):
            self._keep(walk, number, stretch)
            number += 1
            yield stretch
        with self._lock:
            walk.is_whole = number == len(walk.stretches)

    def _read(self, transaction: Transaction, begin: bytes, number: int) -> Iterator[Stretch]:
        """The same, of which the first is stretch `number` of its walk."""
        with transaction.cursor(db=self._tables.ranks) as cursor:
            studies = iter(cursor) if cursor.set_range(begin) else iter(())
            together = FEWEST_TOGETHER if number == 0 else MOST_TOGETHER
            while passed := list(islice(studies, together)):
                yield Stretch(passed, list(map(_record, passed)))
                together = MOST_TOGETHER

    def _walk(self, moment: int) -> _Walk:
        with self._lock:
            if moment > self._newest.moment:
                self._newest = _Walk(moment)
            # Who began before the last write walks alone.
            return self._newest if moment == self._newest.moment else _Walk(moment)

    def _keep(self, walk: _Walk, number: int, stretch: Stretch) -> None:
        """Two who walk at the same time read the same."""
        with self._lock:
            if number == len(walk.stretches) < LONGEST and walk.bytes <= KEPT_BYTES:
                walk.stretches.append(stretch)
                walk.bytes += sum(map(len, stretch.records)) + _ENTRY_BYTES * len(stretch.records)
