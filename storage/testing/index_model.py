"""The index as a list that is searched from end to end: slow, short, and obviously right.

It shares no code with the engines, so that a mistake is not made twice.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from storage.model import (
    NO_NUMBER,
    AnyOf,
    Between,
    Condition,
    ConflictPolicy,
    Digest,
    Empty,
    Instance,
    Landed,
    Like,
    Move,
    OneOf,
    Place,
    Query,
    QueryLevel,
    SameItem,
    Scope,
    Stored,
)

Path = tuple[str, ...]
"""UIDs from the study down to what a row is about."""

Texts = dict[str, tuple[str, ...]]


@dataclass
class Said:
    """What a study or series says of itself."""

    number: int
    terms: Texts
    document: dict[str, Any]


@dataclass
class Kept:
    landed: Landed
    earlier: list[Instance] = field(default_factory=list)

    @property
    def present(self) -> Instance:
        return self.landed.facts.instance


class IndexModel:
    """What an index must answer."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.said: dict[str, Said] = {}
        self.places: dict[Digest, Place] = {}
        self.changes: list[Path] = []
        self.compacted: set[str] = set()
        self._ever = 0

    def apply(self, landed: Landed, policy: ConflictPolicy) -> Stored:
        facts = landed.facts
        instance = facts.instance
        uid = instance.instance_uid
        kept = self.kept.get(uid)
        home = (instance.study_uid, instance.series_uid)
        for other in self.kept.values():
            there = (other.present.study_uid, other.present.series_uid)
            same = other.present.instance_uid == uid
            if (same and there != home) or (there[1] == home[1] and there[0] != home[0]):
                return Stored.MISPLACED
        if kept:
            same_data = [one.dataset_digest for one in (kept.present, *kept.earlier)]
            if instance.dataset_digest in same_data:
                return Stored.DUPLICATE
            if policy is ConflictPolicy.REFUSE:
                return Stored.CONFLICT
        for digest in (instance.skeleton, *instance.blobs):
            if digest not in self.places and digest not in landed.places:
                return Stored.MISSING_CONTENT
        self.places = {**landed.places, **self.places}
        for name, level in (
            (instance.study_uid, facts.study_level),
            (instance.series_uid, facts.series_level),
        ):
            self._ever += 1
            fresh = name not in self.said
            said = self.said.setdefault(name, Said(self._ever, {}, {}))
            for tag, values in level.terms.items():
                if not said.terms.get(tag):
                    said.terms[tag] = tuple(value for value in values if value)
            for tag, element in orjson.loads(level.document).items():
                empty = not any(said.document.get(tag, {}).get("Value", []))
                if fresh or (empty and any(element["Value"])):
                    said.document[tag] = element
        if kept is None:
            self.kept[uid] = Kept(landed)
            outcome = Stored.NEW
        elif policy is ConflictPolicy.REPLACE:
            kept.landed = landed
            outcome = Stored.REPLACED
        else:
            kept.earlier.append(kept.present)
            kept.landed = landed
            outcome = Stored.VERSIONED
        self._tidy()
        self.compacted.discard(instance.series_uid)
        self.changes.append((*home, uid))
        return outcome

    def delete(self, scope: Scope) -> int | None:
        """How many instances went; None when there is no such thing."""
        wanted = (scope.study_uid, scope.series_uid, scope.instance_uid)
        going = [
            uid
            for uid, kept in self.kept.items()
            if all(
                one is None or one == other
                for one, other in zip(wanted, self._path(kept), strict=True)
            )
        ]
        if not going:
            return None
        for uid in going:
            self.compacted.discard(self.kept[uid].present.series_uid)
            del self.kept[uid]
        self._tidy()
        self.changes.append(tuple(one or "" for one in wanted))
        return len(going)

    def relocate(self, moves: list[Move]) -> int:
        moved = 0
        for move in moves:
            if self.places.get(move.digest) == move.old:
                self.places[move.digest] = move.new
                moved += 1
        return moved

    def references(self) -> Counter[Digest]:
        return Counter(
            digest
            for kept in self.kept.values()
            for version in (kept.present, *kept.earlier)
            for digest in (version.skeleton, *version.blobs)
        )

    def series(self) -> dict[str, list[Instance]]:
        """By series UID, the instances in order."""
        found: dict[str, list[Instance]] = {}
        for kept in self.kept.values():
            found.setdefault(kept.present.series_uid, []).append(kept.present)
        for instances in found.values():
            instances.sort(key=lambda one: (one.number, one.instance_uid))
        return found

    def rollup(self, study_uid: str) -> Texts:
        found: dict[str, set[str]] = {}
        for kept in self.kept.values():
            if kept.present.study_uid == study_uid:
                for tag, values in kept.landed.facts.rollup.items():
                    found.setdefault(tag, set()).update(values)
        return {tag: tuple(sorted(values)) for tag, values in found.items()}

    def find(self, query: Query) -> list[Path]:
        """All that matches, in order."""
        depth = 1 + [QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE].index(query.level)
        rows = {self._path(kept)[:depth]: kept for kept in self.kept.values()}
        found = [
            path
            for path, kept in rows.items()
            if query.study_uid in (None, path[0])
            and (depth == 1 or query.series_uid in (None, path[1]))
            and all(self._holds(condition, kept) for condition in query.conditions)
        ]
        # Sorting is stable: the last sort counts most.
        found.sort(key=lambda path: path[2:])
        found.sort(key=lambda path: self.kept[path[2]].present.number if depth == 3 else 0)
        found.sort(key=lambda path: path[1:2])
        found.sort(key=lambda path: self._series_number(path[1]) if depth > 1 else 0)
        found.sort(key=lambda path: self.said[path[0]].number, reverse=True)
        for tag in ("00080030", "00080020"):
            found.sort(key=lambda path: self._first(path[0], tag), reverse=True)
        return found

    def _path(self, kept: Kept) -> Path:
        one = kept.present
        return one.study_uid, one.series_uid, one.instance_uid

    def _first(self, study_uid: str, tag: str) -> str:
        return (self.said[study_uid].terms.get(tag) or ("",))[0]

    def _series_number(self, uid: str) -> int:
        values = self.said[uid].terms.get("00200011") or (str(NO_NUMBER),)
        return int(values[0])

    def _holds(self, condition: Condition, kept: Kept) -> bool:
        one = kept.present
        terms: Texts
        match condition.level:
            case QueryLevel.STUDY:
                terms = {**self.said[one.study_uid].terms, **self.rollup(one.study_uid)}
                terms["0020000D"] = (one.study_uid,)
            case QueryLevel.SERIES:
                terms = {**self.said[one.series_uid].terms, "0020000E": (one.series_uid,)}
            case QueryLevel.INSTANCE:
                terms = dict(kept.landed.facts.instance_level.terms)
                terms["00080018"] = (one.instance_uid,)
        return self._met(condition, terms)

    def _met(self, condition: Condition, terms: Texts) -> bool:
        if isinstance(condition, AnyOf):
            return any(
                all(self._met(each, terms) for each in alternative)
                for alternative in condition.alternatives
            )
        values = [value for value in terms.get(condition.tag, ()) if value]
        match condition:
            case OneOf(values=wanted):
                return any(value in wanted for value in values)
            case Between(low=low, high=high):
                return any((low or "") <= one and (high is None or one <= high) for one in values)
            case Like(pattern=pattern):
                return any(_like(pattern, value) for value in values)
            case Empty():
                return not values
            case SameItem(conditions=conditions):
                items = [orjson.loads(value) for value in values] or [{}]
                return any(all(self._met(each, item) for each in conditions) for item in items)

    def _tidy(self) -> None:
        """What nothing refers to any more is not there."""
        referenced = self.references()
        self.places = {one: place for one, place in self.places.items() if one in referenced}
        named = {uid for kept in self.kept.values() for uid in self._path(kept)[:2]}
        self.said = {uid: said for uid, said in self.said.items() if uid in named}


def _like(pattern: str, value: str) -> bool:
    """Wild card matching: follows every way at once to read the value by the pattern."""
    reached = _behind_stars(pattern, {0})
    for letter in value:
        read = {at + 1 for at in reached if pattern[at : at + 1] in ("?", letter)}
        stay = {at for at in reached if pattern[at : at + 1] == "*"}
        reached = _behind_stars(pattern, read | stay)
    return len(pattern) in reached


def _behind_stars(pattern: str, reached: set[int]) -> set[int]:
    """A star may also stand for nothing."""
    for at in range(len(pattern)):
        if at in reached and pattern[at] == "*":
            reached = reached | {at + 1}
    return reached
