"""What bytes of a study's record say is what the record says when it is taken apart."""

from collections.abc import Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from storage.lmdb_certain import Certain
from storage.lmdb_certain import certain as certain_within
from storage.lmdb_records import search_record
from storage.model import Between, Condition, Like, OneOf, QueryLevel
from storage.searching import FIRST_RANK, LAST_RANK, STUDY_DATE, date_bounds, study_rank
from storage.searching import test_of as comparison_of

STUDY = QueryLevel.STUDY
NAME, MODALITIES, ID = "00100010", "00080061", "00100020"

# What a record is made of, so that values look like parts of it.
TEXT = st.lists(
    st.sampled_from(
        (
            *("ZHANG", "WEI", "CT", "MR", "张", "é", "A", "*"),
            *('"', "\\", "[", "]", ",", "{", "}", "\n", '","'),
            *(f'"{NAME}":["', f'"{MODALITIES}":["CT"'),
        )
    ),
    max_size=4,
).map("".join)
VALUES = st.lists(TEXT, max_size=3).map(tuple)
SAID = st.dictionaries(st.sampled_from([NAME, MODALITIES, ID]), VALUES)
DATES = st.sampled_from(
    ["", "20240101", "20240115", "20240131", "202401311", "2024", "x", "20250101"]
)
CONDITIONS = st.one_of(
    st.builds(Like, st.just(STUDY), st.just(NAME), st.one_of(TEXT, TEXT.map(lambda t: f"*{t}*"))),
    st.builds(Like, st.just(STUDY), st.just(NAME), TEXT.map(lambda text: f"{text}*")),
    st.builds(OneOf, st.just(STUDY), st.sampled_from([MODALITIES, ID]), VALUES),
    st.builds(Between, st.just(STUDY), st.just(STUDY_DATE), st.none() | DATES, st.none() | DATES),
)


def certain(conditions: Sequence[Condition]) -> Certain | None:
    """With the ranks that their ranges of dates allow, as a search has them."""
    first, last = FIRST_RANK, LAST_RANK
    for each in conditions:
        if isinstance(each, Between) and each.tag == STUDY_DATE:
            bounds = date_bounds(each.low, each.high)
            first, last = max(first, bounds[0]), min(last, bounds[1])
    return certain_within(conditions, first, last)


@given(SAID, SAID, DATES, st.lists(CONDITIONS, max_size=2))
def test_what_is_certain_is_so(
    terms: dict[str, tuple[str, ...]],
    rollup: dict[str, tuple[str, ...]],
    date: str,
    conditions: list[Condition],
) -> None:
    terms = terms | ({STUDY_DATE: (date,)} if date else {})
    says = certain(conditions)
    if says is None or not says(study_rank(date, "", 1), search_record(terms, rollup)):
        return
    assert all(
        comparison_of(each)(lambda tag: rollup.get(tag) or terms.get(tag) or ())
        for each in conditions
    )


def test_what_worklists_ask_for_is_certain() -> None:
    record = search_record(
        {STUDY_DATE: ("20240115",), NAME: ("WANG XIAO", "ZHANG WEI")}, {MODALITIES: ("CT", "SR")}
    )
    rank = study_rank("20240115", "", 1)
    said: list[tuple[Condition, bool]] = [
        (Like(STUDY, NAME, "ZHANG*"), True),
        (Like(STUDY, NAME, "*G W*"), True),
        (Like(STUDY, NAME, "*XIAO"), True),
        (Like(STUDY, NAME, "WANG XIAO"), True),
        (Like(STUDY, NAME, "HANG*"), False),
        (Like(STUDY, NAME, "WANG"), False),
        (OneOf(STUDY, MODALITIES, ("SR",)), True),
        (OneOf(STUDY, MODALITIES, ("C", "MR")), False),
        (Between(STUDY, STUDY_DATE, "20240101", "20240131"), True),
        (Between(STUDY, STUDY_DATE, "20240116", None), False),
    ]
    for (one, first), (other, second) in product(said, said):
        says = certain([one, other])
        assert says is not None
        assert says(rank, record) is (first and second), (one, other)


def test_of_what_has_to_be_taken_apart_nothing_is_said() -> None:
    for condition in (
        Like(STUDY, NAME, "Z?ANG*"),
        Like(STUDY, NAME, "Z*G*"),
        Like(STUDY, NAME, "*"),
        Like(STUDY, NAME, '"*'),
        Like(STUDY, NAME, ",*"),
        Between(STUDY, ID, "1", "2"),
        OneOf(STUDY, ID, ("a\\b",)),
        OneOf(STUDY, ID, ("\ud800",)),
    ):
        assert certain([condition]) is None
    # Behind the last day, but in its place in the order.
    says, odd = certain([Between(STUDY, STUDY_DATE, None, "20240131")]), "202401311"
    assert says is not None and not says(
        study_rank(odd, "", 1), search_record({STUDY_DATE: (odd,)}, {})
    )
    # What is a new line is no letter n.
    says = certain([Like(STUDY, NAME, "*nb*")])
    record = search_record({NAME: ("a\nb",)}, {})
    assert says is not None and not says(study_rank("", "", 1), record)
    # Where the roll-up and the terms both speak, which of them counts has to be looked up.
    says = certain([OneOf(STUDY, MODALITIES, ("CT",))])
    record = search_record({MODALITIES: ("CT",)}, {MODALITIES: ("MR",)})
    assert says is not None and not says(study_rank("20240115", "", 1), record)


def test_conditions_on_series_are_not_its_business() -> None:
    says = certain([OneOf(QueryLevel.SERIES, ID, ("a\\b",))])
    assert says is not None and says(study_rank("", "", 1), search_record({}, {}))
