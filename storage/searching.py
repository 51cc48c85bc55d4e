"""What a `Query` means: conditions held against terms, the total order, the cursor.

Every engine that searches in Python uses these functions, so that a wildcard or an odd date means
the same wherever it is asked. PS3.4 §C.2.2.2 names the kinds of matching; what the strings mean
(folding, padding) has been settled before they come here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from storage.errors import BadCursor
from storage.model import (
    NO_NUMBER,
    AnyOf,
    Between,
    Condition,
    Empty,
    Like,
    OneOf,
    QueryLevel,
    SameItem,
)

STUDY_DATE = "00080020"
STUDY_TIME = "00080030"
SERIES_NUMBER = "00200011"
UID_TAGS = {
    QueryLevel.STUDY: "0020000D",
    QueryLevel.SERIES: "0020000E",
    QueryLevel.INSTANCE: "00080018",
}
"""The attribute that names a thing of each level: always among its terms, said or not."""

LEVELS = (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE)

Terms = Mapping[str, tuple[str, ...]]
Values = Sequence[str]
ValuesOf = Callable[[str], Values]
"""An attribute -> its values, none when it is absent."""
Test = Callable[[ValuesOf], object]
"""Whether something with these values matches: a truth value."""

RANK_LENGTH = 16
FIRST_RANK = bytes(RANK_LENGTH)
LAST_RANK = b"\xff" * RANK_LENGTH
DAY_LENGTH = 4
"""A rank begins with the Study Date."""


def test_of(condition: Condition) -> Test:
    match condition:
        case OneOf(tag=tag, values=wanted):
            common = frozenset(wanted).intersection
            return lambda values_of: common(values_of(tag))
        case Between(tag=tag, low=low, high=high):
            return lambda values_of: any(
                (low is None or low <= value) and (high is None or value <= high)
                for value in values_of(tag)
            )
        case Like(tag=tag, pattern=pattern):
            matches = like(pattern).fullmatch
            return lambda values_of: any(map(matches, values_of(tag)))
        case Empty(tag=tag):
            return lambda values_of: not values_of(tag)
        case SameItem(tag=tag, conditions=conditions):
            tests = [test_of(each) for each in conditions]
            return lambda values_of: any(
                holds(tests, item) for item in _items_of(values_of(tag)) or ({},)
            )
        case AnyOf(alternatives=alternatives):
            choices = [[test_of(each) for each in one] for one in alternatives]
            return lambda values_of: any(
                all(test(values_of) for test in tests) for tests in choices
            )


def item_value(terms: Terms) -> str:
    """An item of a sequence as a value of it: its own terms, of which some may be items again."""
    return orjson.dumps(terms, option=orjson.OPT_SORT_KEYS).decode()


def _items_of(values: Values) -> list[Mapping[str, Values]]:
    """The items that these values are. Whoever stores an attribute with a VR that it does not have
    may have put any text where items are searched for: that is none."""
    found: list[Mapping[str, Values]] = []
    for value in values:
        try:
            item = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(item, dict) and all(map(_are_texts, item.values())):
            found.append(item)
    return found


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


# Asked for twice in a search, and worklists ask the same again.
@lru_cache(maxsize=256)
def like(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for `fullmatch`, in time linear in the value.

    Each run between two `*` is taken where it first fits and never tried again (an atomic group):
    for `*` that loses nothing, and a pattern of many stars cannot be made to take years.
    """
    runs = [
        "".join("." if letter == "?" else re.escape(letter) for letter in run)
        for run in pattern.split("*")
    ]
    if len(runs) == 1:
        return re.compile(runs[0], re.DOTALL)
    middle = "".join(f"(?>.*?{run})" for run in runs[1:-1] if run)
    return re.compile(f"{runs[0]}{middle}.*{runs[-1]}", re.DOTALL)


def tests_by_level(conditions: Sequence[Condition]) -> dict[QueryLevel, list[Test]]:
    """The conditions of each level as tests."""
    tests: dict[QueryLevel, list[Test]] = {level: [] for level in LEVELS}
    for condition in conditions:
        tests[condition.level].append(test_of(condition))
    return tests


def holds(tests: Sequence[Test], terms: Mapping[str, Values]) -> bool:
    """Whether every test holds for the terms."""
    if not tests:
        return True
    return all(test(lambda tag: terms.get(tag, ())) for test in tests)


def study_rank(date: str, time: str, number: int) -> bytes:
    """Sixteen bytes by which studies sort: Study Date, Study Time, order of first storage, all
    descending, and a study without date last.

    number  the how-manieth study ever stored this is, below 2^48
    """
    newest_last = (_scaled(date, 8) << 96) | (_scaled(time[:6] + time[7:], 12) << 48) | number
    return (~newest_last & _RANK_MASK).to_bytes(RANK_LENGTH, "big")


def rank_number(rank: bytes) -> int:
    """The `number` that `study_rank` was given."""
    return ~int.from_bytes(rank[-6:], "big") & 0xFFFFFFFFFFFF


def date_bounds(low: str | None, high: str | None) -> tuple[bytes, bytes]:
    """First and last rank a study can have whose Study Date lies in [low, high]; an open end
    leaves that side open. All dates in the range are inside, some outside it may be too."""
    first = FIRST_RANK if high is None else day_of(high) + FIRST_RANK[DAY_LENGTH:]
    last = LAST_RANK if low is None else day_of(low) + LAST_RANK[DAY_LENGTH:]
    return first, last


def day_of(date: str) -> bytes:
    """What the ranks of the studies of a Study Date begin with."""
    return (~_scaled(date, 8) & _DATE_MASK).to_bytes(DAY_LENGTH, "big")


_TO_BASE_12 = str.maketrans("0123456789", "123456789a")
_DATE_MASK = 0xFFFFFFFF
_RANK_MASK = (1 << 128) - 1


def _scaled(text: str, length: int) -> int:
    """The first `length` characters as a number that never falls when the text grows (as strings
    compare): digits count 1 to 10, an end or anything below "0" counts 0, anything above "9" 11.
    So a value that is no date still has its place, and a range of dates is a range of numbers."""
    if len(text) >= length and text.isascii() and text[:length].isdigit():
        return int(text[:length].translate(_TO_BASE_12), 12)
    scaled: int = 0
    for position in range(length):
        letter = text[position : position + 1]
        if "0" <= letter <= "9":
            scaled = scaled * 12 + ord(letter) - 47
            continue
        unit: int = 12 ** (length - position)
        return scaled * unit + (unit - 1 if letter > "9" else 0)
    return scaled


def series_number(terms: Terms) -> int:
    """Series Number as an integer, for the order within a study; NO_NUMBER when there is none."""
    text = next(iter(terms.get(SERIES_NUMBER, ())), "")
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", text):
        return NO_NUMBER
    return min(int(text), NO_NUMBER)


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in the total order: the study's rank, then, as far as the level asks,
    (Series Number, UID) and (Instance Number, UID)."""

    rank: bytes
    series: tuple[int, str] | None = None
    instance: tuple[int, str] | None = None

    def cursor(self) -> str:
        """The position as text that `position_of` understands; no promise beyond that."""
        parts = [self.rank.hex()]
        for numbered in (self.series, self.instance):
            if numbered is not None:
                parts += [str(numbered[0]), numbered[1]]
        return "~".join(parts)


def position_of(cursor: str, level: QueryLevel) -> Position:
    """The position a cursor stands for. Raises BadCursor when it is none of that level."""
    parts = cursor.split("~")
    try:
        rank = bytes.fromhex(parts[0])
        numbered = [(int(parts[at]), parts[at + 1]) for at in range(1, len(parts), 2)]
        if len(rank) != RANK_LENGTH or len(numbered) != LEVELS.index(level):
            raise ValueError
    except (ValueError, IndexError):
        raise BadCursor(cursor, level.value) from None
    return Position(rank, *numbered)
