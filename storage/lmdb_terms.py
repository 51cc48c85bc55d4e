"""From a condition to the posting lists that answer it.

A value has one list. A pattern has the lists of all terms it matches: found by its beginning, or,
for names, by the letters that occur together in it. How many studies they hold is known without
reading them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_postings import (
    LONG_NAME,
    PATIENT_NAME,
    PREFIXES,
    grams_of,
    is_whole,
    posting_key,
)
from storage.lmdb_records import KEY_LIMIT
from storage.model import Condition, Like, OneOf, QueryLevel
from storage.searching import like

TERMS_COUNTED = 3000
STUDIES_COUNTED = 20_000
"""A pattern with more terms or studies than this counts as frequent before it is known how
frequent: counting on would cost more than the answer."""

_WILDCARD = re.compile(r"[*?]+")


@dataclass(frozen=True, slots=True)
class Lists:
    """Posting lists that together hold every study a condition can match.

    answered  whether every study on the lists does match the condition
    studies   on all lists together
    complete  False when the condition is frequent: then there are more lists than these
    """

    condition: Condition
    keys: list[bytes]
    answered: bool
    studies: int
    complete: bool = True


class TermLists:
    """Finds lists in one transaction."""

    def __init__(self, transaction: Transaction, tables: Tables) -> None:
        self._transaction = transaction
        self._tables = tables

    def of(self, condition: Condition, *, counted: bool = True) -> Lists | None:
        """The lists for a condition; None when its attribute has none or the pattern says nothing.

        counted  True to stop, and call it frequent, where the limits above are reached
        """
        if condition.level is not QueryLevel.STUDY or condition.tag not in PREFIXES:
            return None
        match condition:
            case OneOf(values=values):
                return self._exact(condition, values)
            case Like(pattern=pattern) if not _WILDCARD.search(pattern):
                return self._exact(condition, (pattern,))
            case Like(pattern=pattern) if pattern.strip("*"):
                return self._matching(condition, pattern, counted)
            case _:
                return None

    def _exact(self, condition: Condition, values: Sequence[str]) -> Lists:
        keys = sorted({posting_key(condition.tag, value) for value in values if value})
        answered = all(is_whole(value) for value in values)
        return Lists(condition, keys, answered, sum(self._length(key) for key in keys))

    def _matching(self, condition: Condition, pattern: str, counted: bool) -> Lists | None:
        beginning, *rest = _WILDCARD.split(pattern)
        lists = None
        if beginning:
            key = posting_key(condition.tag, beginning)
            lists = self._taken(condition, pattern, self._beginning_with(key), counted)
            if lists.complete:
                return lists
        if condition.tag == PATIENT_NAME:
            numbers = self._rarest_gram([beginning, *rest])
            if numbers is not None and not (counted and self._named(numbers) > TERMS_COUNTED):
                return self._taken(condition, pattern, self._with_grams(numbers), counted)
            if counted:
                return lists or Lists(condition, [], False, STUDIES_COUNTED, complete=False)
            every = self._beginning_with(PREFIXES[PATIENT_NAME])
            return self._taken(condition, pattern, every, counted)
        return lists

    def _taken(
        self,
        condition: Condition,
        pattern: str,
        candidates: Iterator[tuple[bytes, int]],
        counted: bool,
    ) -> Lists:
        """Those of the lists whose terms match, as far as they are counted."""
        matches = like(pattern).fullmatch
        keys: list[bytes] = []
        answered = True
        studies = 0
        for looked_at, (key, length) in enumerate(candidates):
            if counted and (looked_at >= TERMS_COUNTED or studies >= STUDIES_COUNTED):
                return Lists(condition, keys, answered, studies, complete=False)
            whole = len(key) - 1 < KEY_LIMIT
            if not whole or matches(key[1:].decode()):
                answered &= whole
                keys.append(key)
                studies += length
        return Lists(condition, keys, answered, studies)

    def _beginning_with(self, prefix: bytes) -> Iterator[tuple[bytes, int]]:
        """The keys of lists, and the lists' lengths."""
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            there = cursor.set_range(prefix)
            while there and cursor.key().startswith(prefix):
                yield cursor.key(), cursor.count()
                there = cursor.next_nodup()

    def _with_grams(self, grams: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
        with self._transaction.cursor(db=self._tables.grams) as cursor:
            for gram in grams:
                if cursor.set_key(gram):
                    for number in cursor.iternext_dup():
                        name = self._transaction.get(number, db=self._tables.name_numbers)
                        assert name is not None
                        key = PREFIXES[PATIENT_NAME] + name
                        yield key, self._length(key)

    def _rarest_gram(self, runs: Sequence[str]) -> list[bytes] | None:
        """What to look up in `grams` to see every name with those runs of letters; None when the
        runs are too short to say anything."""
        grams = {gram for run in runs for gram in grams_of(run)}
        if not grams:
            return None
        return [min(sorted(grams), key=lambda gram: self._named([gram])), LONG_NAME]

    def _named(self, grams: Sequence[bytes]) -> int:
        with self._transaction.cursor(db=self._tables.grams) as cursor:
            return sum(cursor.count() for gram in grams if cursor.set_key(gram))

    def _length(self, key: bytes) -> int:
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            return cursor.count() if cursor.set_key(key) else 0
