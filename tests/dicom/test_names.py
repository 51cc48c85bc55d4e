"""Names fold alike when a person would call them the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.names import fold, fold_groups


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("DOE^JANE", "doe^jane"),
        ("Müller^Jörg", "muller^jorg"),
        ("Strauß", "strauss"),
        ("Doe^Jane^^^", "doe^jane"),
        (" Doe ^ Jane  Mary ", "doe^jane mary"),
        ("^Jane", "^jane"),
        ("ＤＯＥ＾Ｊ", "doe^j"),
        ("王^小东", "王^小东"),
        ("がくせい", "がくせい"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("김^철수", "김^철수"),
        ("İstanbul", "istanbul"),
        ("Sm?th*", "sm?th*"),
        ("", ""),
    ],
)
def test_names_fold(name: str, folded: str) -> None:
    assert fold(name) == folded


def test_meaning_is_not_an_accent() -> None:
    assert fold("か") != fold("が")


def test_empty_groups_are_no_values() -> None:
    assert fold_groups(["Doe", "", "^^"]) == ("doe",)


@given(st.text(max_size=40))
def test_folding_again_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)
