"""Which strings are UIDs (PS3.5 §9.1)."""

import pytest

from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.uids import checked_uid, is_uid


@pytest.mark.parametrize("uid", ["1", "1.2.840.10008.1.2", "2.25." + "1" * 59, "1.02.003", "0.0"])
def test_these_are_uids(uid: str) -> None:
    assert is_uid(uid)


@pytest.mark.parametrize(
    "uid",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "1.2a",
        "1,2",
        "1 2",
        " 1",
        "1\n",
        "../..",
        "1/2",
        "١.٢",
        "1" * 65,
    ],
)
def test_these_are_none(uid: str) -> None:
    assert not is_uid(uid)


@pytest.mark.parametrize("padded", ["1.2\0", "1.2 ", "1.2\0\0", "1.2"])
def test_padding_does_not_count(padded: str) -> None:
    assert checked_uid("x", padded) == "1.2"


def test_a_uid_of_nothing_but_padding_is_missing() -> None:
    with pytest.raises(Malformed, match="missing or empty"):
        checked_uid("(0020,000D)", "\0")
