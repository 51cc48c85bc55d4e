"""Accept and media types. Invariant of the fuzz: any text gives ranges or a BadMediaType."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.web.negotiate import (
    BadMediaType,
    MediaRange,
    Representation,
    choose,
    parse_accept,
    parse_media_type,
    wanted,
)

JSON = Representation("application/dicom+json")
XML = Representation("application/dicom+xml", multipart=True)
JPEG = Representation("image/jpeg")
PNG = Representation("image/png")


def chosen(accept: str, *offered: Representation) -> Representation | None:
    return choose(parse_accept(accept), offered)


def test_a_media_type_is_read_with_its_parameters() -> None:
    text = 'Multipart/Related; TYPE="application/dicom"; boundary="a b;c,\\"d"'
    found = parse_media_type(text)
    assert found.essence == "multipart/related"
    assert found.parameters == {"type": "application/dicom", "boundary": 'a b;c,"d'}


def test_ps3_18_8_7_1_quoted_and_unquoted_values_are_equivalent() -> None:
    assert parse_accept("multipart/related; type=application/dicom") == parse_accept(
        'multipart/related;type="application/dicom"'
    )


def test_rfc9110_12_5_1_weights_are_read_and_no_parameters() -> None:
    assert parse_accept("image/png;q=0.5, image/*;Q=0.123 ,, */*") == (
        MediaRange("image", "png", {}, 0.5),
        MediaRange("image", "*", {}, 0.123),
        MediaRange("*", "*", {}),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("json", "no type/subtype at character 1"),
        ("image/png image/jpeg", "a comma is missing at character 10"),
        ("image/png;q=2", "q=2 is not between 0 and 1"),
        ("image/png;q=0.1234", "is not between 0 and 1"),
        ('a/b; c="d', "a comma is missing"),
        ("a/b," * 5000, "the limit is 8192"),
    ],
)
def test_what_is_no_accept_header_is_refused_with_the_place(text: str, reason: str) -> None:
    with pytest.raises(BadMediaType, match=reason):
        parse_accept(text)


def test_one_media_type_is_wanted_not_two() -> None:
    with pytest.raises(BadMediaType, match="is one media type, not 2"):
        parse_media_type("a/b, c/d")
    with pytest.raises(BadMediaType, match="is one media type, not 0"):
        parse_media_type("")


def test_ps3_18_8_3_3_1_the_query_parameter_goes_before_the_header() -> None:
    subtypes = [[one.subtype for one in ranges] for ranges in wanted(["image/png"], "image/jpeg")]
    assert subtypes == [["png"], ["jpeg"]], "tried in turn (PS3.18 §8.7.8.1)"
    assert wanted([], "image/jpeg")[0][0].subtype == "jpeg"
    assert wanted([""], None) == ((MediaRange("*", "*", {}),),)


def test_the_heaviest_range_decides_then_the_order_written_then_the_order_offered() -> None:
    assert chosen("image/jpeg;q=0.2, image/png;q=0.3", JPEG, PNG) == PNG
    assert chosen("image/png, image/jpeg", JPEG, PNG) == PNG
    assert chosen("image/*", JPEG, PNG) == JPEG
    assert chosen("text/html, */*;q=0.1", JPEG, PNG) == JPEG
    assert chosen("text/html", JPEG, PNG) is None


def test_rfc9110_12_5_1_the_most_specific_range_has_precedence() -> None:
    assert chosen("image/jpeg;q=0.1, image/*;q=0.5", JPEG, PNG) == PNG
    assert chosen("image/jpeg;q=0, */*", JPEG, PNG) == PNG
    assert chosen("image/jpeg;q=0, */*", JPEG) is None


def test_a_single_part_range_takes_no_multipart_and_the_other_way_round() -> None:
    assert chosen("application/dicom+xml", XML) is None
    assert chosen("multipart/related; type=application/dicom+json", JSON) is None
    assert chosen('multipart/related; type="application/dicom+xml"', JSON, XML) == XML
    assert chosen("multipart/related", JSON, XML) == XML
    assert chosen("multipart/*", JSON, XML) == XML
    assert chosen("multipart/mixed", JSON, XML) is None


def test_ps3_18_8_7_3_5_2_the_transfer_syntax_decides_between_stored_and_default() -> None:
    stored = Representation(
        "application/octet-stream", True, "1.2.840.10008.1.2.4.202", False, "image/jphc"
    )
    native = Representation("application/octet-stream", True, "1.2.840.10008.1.2.1")
    named = Representation("image/jphc", True, "1.2.840.10008.1.2.4.202")
    offered = (stored, native, named)
    octets = "multipart/related; type=application/octet-stream"
    assert chosen(f"{octets}; transfer-syntax=*", *offered) == stored
    assert chosen(octets, *offered) == native
    assert chosen("*/*", *offered) == native
    assert chosen("*/*; transfer-syntax=*", *offered) == stored
    assert chosen('multipart/related; type="image/jphc"', *offered) == named
    assert chosen(f"{octets}; transfer-syntax=1.2.840.10008.1.2.4.90", *offered) is None
    assert stored.content_type == "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"


ACCEPTISH = st.lists(
    st.one_of(
        st.sampled_from([*'/;,="\\ *q', "a", "image/png", "q=0.5", "type=", "\t", "é", "\r\n"]),
        st.text(max_size=4),
    ),
    max_size=30,
).map("".join)


@given(ACCEPTISH)
def test_any_text_gives_ranges_or_a_typed_error(text: str) -> None:
    try:
        ranges = parse_accept(text)
    except BadMediaType:
        return
    for one in ranges:
        assert one.type and one.subtype and 0 <= one.weight <= 1
    choose(ranges, (JSON, XML, JPEG))
