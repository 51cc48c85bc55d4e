"""From a condition to the posting lists that answer it.

A value has one list. A pattern has the lists of all terms it matches: found by its beginning, or,
for names, by the letters that occur together in it. How many studies they hold is known without
reading them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_postings import (
    GRAM_LETTERS,
    LONG_NAME,
    PATIENT_NAME,
    PREFIXES,
    is_whole,
    posting_key,
)
from storage.lmdb_records import KEY_LIMIT
from storage.model import AnyOf, Condition, Like, OneOf, QueryLevel
from storage.searching import like

TERMS_COUNTED = 2000
STUDIES_COUNTED = 20_000
"""A pattern with more terms or studies than this counts as frequent before it is known how
frequent: counting on would cost more than the answer."""
TERMS_PASSED = 20_000
"""... and one whose letters have not all been looked for among more terms than this."""
NUMBERS_READ = 50_000
"""Letters that occur in more names than this say nothing."""
NAMES_SAMPLED = 300
HITS_SAMPLED = 8
"""... or until so many match: that tells a share to a third of it, enough to choose a way."""
GRAMS_INTERSECTED = 3
"""Names must have so many other grams of a pattern besides the rarest, before they are read."""

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


@dataclass(frozen=True, slots=True)
class Names:
    """What a pattern of names is expected to come to.

    read   names that have to be read to find those that match
    alike  names that match, judged by a sample; NUMBERS_READ stands for any number above it
    """

    condition: Condition
    read: int
    alike: int


class TermLists:
    """Finds lists in one transaction."""

    def __init__(self, transaction: Transaction, tables: Tables) -> None:
        self._transaction = transaction
        self._tables = tables

    def of(self, condition: Condition, *, counted: bool = True) -> Lists | None:
        """The lists for a condition; None when its attribute has none or the pattern says nothing.

        counted  True to stop, and call it frequent, where the limits above are reached
        """
        if condition.level is not QueryLevel.STUDY:
            return None
        if isinstance(condition, AnyOf):
            return self._any(condition, counted)
        if condition.tag not in PREFIXES:
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

    def names_like(self, condition: Condition) -> Names | None:
        """What a pattern of names will come to; None for any other condition, and for a pattern
        without letters. Costs a millisecond at most, however frequent it is."""
        match condition:
            case Like(QueryLevel.STUDY, tag, pattern) if tag == PATIENT_NAME:
                parts = {part for run in _WILDCARD.split(pattern) for part in _parts(run)}
            case _:
                return None
        if not parts or not is_pattern(condition):
            return None
        numbers, rarest = min((self._letters_occur(part), part) for part in parts)
        matches = like(pattern).fullmatch
        sampled = hits = 0
        for number in islice(self._numbers(rarest), NAMES_SAMPLED):
            sampled += 1
            hits += matches(self._name(number).decode()) is not None
            if hits == HITS_SAMPLED:
                break
        alike = numbers * hits // max(1, sampled)
        return Names(condition, read=alike if pattern[0] not in "*?" else numbers, alike=alike)

    def _any(self, condition: AnyOf, counted: bool) -> Lists | None:
        """The lists of every alternative, each by the rarest of its conditions."""
        chosen: list[Lists] = []
        for alternative in condition.alternatives:
            found = [lists for each in alternative if (lists := self.of(each, counted=counted))]
            if not found:
                return None
            chosen.append(min(found, key=lambda lists: (not lists.complete, lists.studies)))
        return Lists(
            condition,
            sorted({key for lists in chosen for key in lists.keys}),
            answered=all(
                lists.answered and len(alternative) == 1
                for lists, alternative in zip(chosen, condition.alternatives, strict=True)
            ),
            studies=sum(lists.studies for lists in chosen),
            complete=all(lists.complete for lists in chosen),
        )

    def _exact(self, condition: OneOf | Like, values: Sequence[str]) -> Lists:
        keys = sorted({posting_key(condition.tag, value) for value in values if value})
        answered = all(is_whole(value) for value in values)
        return Lists(condition, keys, answered, sum(self._length(key) for key in keys))

    def _matching(self, condition: Like, pattern: str, counted: bool) -> Lists | None:
        runs = _WILDCARD.split(pattern)
        lists = None
        within = max(runs, key=len).encode(errors="surrogatepass")
        if runs[0] or condition.tag != PATIENT_NAME:
            prefix = posting_key(condition.tag, runs[0])
            # What is longer than a key may have the letters in what the key leaves out.
            keys = self._beginning_with(prefix, within, most=TERMS_PASSED if counted else None)
            lists = self._taken(condition, pattern, keys, counted)
            if lists.complete or not counted:
                return lists
        # The letters of the beginning alone would only say again that it is frequent.
        if condition.tag != PATIENT_NAME or not any(runs[1:]):
            return lists
        numbers, most = self._names_with(runs, counted)
        if numbers is None:
            return lists or Lists(condition, [], False, most, complete=False)
        return self._taken(condition, pattern, self._named(numbers, within), counted)

    def _taken(
        self,
        condition: Condition,
        pattern: str,
        candidates: Iterable[tuple[bytes, int] | None],
        counted: bool,
    ) -> Lists:
        """Those of the lists whose terms match, as far as they are counted."""
        matches = like(pattern).fullmatch
        keys: list[bytes] = []
        answered = True
        studies = 0
        for looked_at, candidate in enumerate(candidates):
            frequent = looked_at >= TERMS_COUNTED or studies >= STUDIES_COUNTED
            if candidate is None or (counted and frequent):
                return Lists(condition, keys, answered, studies, complete=False)
            key, length = candidate
            whole = len(key) - 1 < KEY_LIMIT
            if not whole or matches(key[1:].decode()):
                answered &= whole
                keys.append(key)
                studies += length
        return Lists(condition, keys, answered, studies)

    def _beginning_with(
        self, prefix: bytes, within: bytes, most: int | None
    ) -> Iterator[tuple[bytes, int] | None]:
        """The keys of the lists whose keys begin so and have the other letters somewhere, and the
        lengths of the lists; None when `most` keys have been passed and there are more."""
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            if not cursor.set_range(prefix):
                return
            for passed, key in enumerate(cursor.iternext_nodup(keys=True, values=False)):
                if not key.startswith(prefix):
                    return
                if passed == most:
                    yield None
                    return
                if within in key or len(key) > KEY_LIMIT:
                    yield key, cursor.count()

    def _named(self, numbers: Iterable[bytes], within: bytes) -> Iterator[tuple[bytes, int]]:
        """The same for the names with those numbers."""
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            for number in numbers:
                name = self._name(number)
                if within in name or len(name) >= KEY_LIMIT:
                    key = PREFIXES[PATIENT_NAME] + name
                    cursor.set_key(key)
                    yield key, cursor.count()

    def _name(self, number: bytes) -> bytes:
        name = self._transaction.get(number, db=self._tables.name_numbers)
        assert name is not None
        return name

    def _names_with(self, runs: Sequence[str], counted: bool) -> tuple[set[bytes] | None, int]:
        """The numbers of all names in which the letters of the runs occur, and some more; None
        when they are too many to be counted. And how many they are at most, as far as known."""
        lengths = {part: self._letters_occur(part) for run in runs for part in _parts(run)}
        rarest, *others = sorted(lengths, key=lambda part: (lengths[part], part))
        if counted and lengths[rarest] > NUMBERS_READ:
            return None, lengths[rarest]
        numbers = set(self._numbers(rarest))
        for part in others[:GRAMS_INTERSECTED]:
            if len(numbers) <= TERMS_COUNTED or lengths[part] > NUMBERS_READ:
                break
            numbers.intersection_update(self._numbers(part))
        if counted and len(numbers) > TERMS_COUNTED:
            return None, len(numbers)
        return numbers.union(self._numbers(LONG_NAME)), len(numbers)

    def _numbers(self, letters: bytes) -> Iterator[bytes]:
        """The numbers of the names with a gram that begins so, some twice."""
        with self._transaction.cursor(db=self._tables.grams) as cursor:
            there = cursor.set_range(letters)
            while there and cursor.key().startswith(letters):
                yield from cursor.iternext_dup()
                there = cursor.next_nodup()

    def _letters_occur(self, letters: bytes) -> int:
        """How many numbers `_numbers` gives; just above NUMBERS_READ when there are more."""
        numbers = 0
        with self._transaction.cursor(db=self._tables.grams) as cursor:
            there = cursor.set_range(letters)
            while there and cursor.key().startswith(letters) and numbers <= NUMBERS_READ:
                numbers += cursor.count()
                there = cursor.next_nodup()
        return numbers

    def _length(self, key: bytes) -> int:
        with self._transaction.cursor(db=self._tables.postings) as cursor:
            return cursor.count() if cursor.set_key(key) else 0


def is_pattern(condition: Condition) -> bool:
    """Whether what matches has to be looked for among terms: it has a wildcard, or alternatives."""
    return isinstance(condition, AnyOf) or (
        isinstance(condition, Like) and _WILDCARD.search(condition.pattern) is not None
    )


def _parts(run: str) -> set[bytes]:
    """What a name has grams that begin with, when the run occurs in it."""
    if len(run) < GRAM_LETTERS:
        return {run.encode(errors="surrogatepass")} - {b""}
    return {
        run[at : at + GRAM_LETTERS].encode(errors="surrogatepass")
        for at in range(len(run) - GRAM_LETTERS + 1)
    }
