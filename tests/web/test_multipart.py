"""The multipart parser and writer. Invariant of the fuzz: any bytes, cut anywhere, give events or a
MultipartError, and the events do not depend on the cuts."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.web import multipart
from dicomweb_server.web.multipart import (
    MultipartError,
    Parser,
    PartBegin,
    PartData,
    PartEnd,
    Truncated,
)


def parts(
    body: bytes, boundary: str = "b", step: int = 10**9
) -> list[tuple[dict[str, str], bytes]]:
    parser = Parser(boundary)
    found: list[tuple[dict[str, str], bytes]] = []
    content = b""
    headers: dict[str, str] = {}
    for at in range(0, len(body), step):
        for event in parser.feed(body[at : at + step]):
            match event:
                case PartBegin(number, of_part):
                    assert number == len(found) + 1
                    headers, content = dict(of_part), b""
                case PartData(chunk):
                    assert len(chunk)
                    content += chunk
                case PartEnd():
                    found.append((headers, content))
    parser.close()
    return found


TWO = (
    b"--b\r\nContent-Type: application/dicom\r\n\r\none\r\n"
    b"--b\r\ncontent-type: text/plain\r\nX: 1\r\nX: 2\r\n\r\n\r\ntwo\r\n\r\n--b--\r\n"
)
TWO_PARTS = [
    ({"content-type": "application/dicom"}, b"one"),
    ({"content-type": "text/plain", "x": "1, 2"}, b"\r\ntwo\r\n"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 1000])
def test_a_body_gives_the_same_parts_however_it_is_cut(step: int) -> None:
    assert parts(TWO, step=step) == TWO_PARTS


def test_a_preamble_is_passed_over_and_an_epilogue_too() -> None:
    assert parts(b"This is a multipart message.\r\n" + TWO + b"--b\r\nnot a part") == TWO_PARTS


def test_the_body_of_ohif_begins_with_a_line_end_and_ends_without() -> None:
    body = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b--"
    assert parts(body) == [({"content-type": "application/dicom"}, b"DICM")]


@pytest.mark.parametrize("step", [1, 4, 1000])
def test_rfc2046_5_1_1_a_part_may_have_no_headers_and_no_content(step: int) -> None:
    assert parts(b"--b\r\n\r\n\r\n--b\r\nA: 1\r\n\r\n--b\r\n\r\n--b--", step=step) == [
        ({}, b""),
        ({"a": "1"}, b""),
        ({}, b""),
    ]


def test_rfc2046_5_1_1_blanks_after_a_boundary_are_padding() -> None:
    assert parts(b"--b \t \r\n\r\none\r\n--b\t\r\n\r\ntwo\r\n--b--  \r\n") == [
        ({}, b"one"),
        ({}, b"two"),
    ]


@pytest.mark.parametrize("step", [1, 6, 1000])
def test_a_boundary_within_a_line_or_followed_by_text_is_content(step: int) -> None:
    content = b"x--b\r\n--bb\r\n--b-\r\n--b x\r\n--\r\n\r\r\n--"
    assert parts(b"--b\r\n\r\n" + content + b"\r\n--b--", step=step) == [({}, content)]


def test_a_folded_header_is_unfolded() -> None:
    body = b'--b\r\nContent-Type: application/dicom;\r\n  transfer-syntax="1.2"\r\n\r\nx\r\n--b--'
    assert parts(body)[0][0] == {"content-type": 'application/dicom;  transfer-syntax="1.2"'}


def test_a_body_without_parts_is_whole() -> None:
    assert parts(b"--b--\r\n") == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "multipart body: the boundary 'b' does not occur in it"),
        (b"no boundary here", "multipart body: the boundary 'b' does not occur in it"),
        (b"--b\r\nContent-Type: app", "part 1: ends within its headers"),
        (b"--b\r\n\r\nabc", "part 1: ends without a closing boundary after 3 bytes"),
        (b"--b\r\n\r\nabc\r\n--", "part 1: ends without a closing boundary after 7 bytes"),
        (b"--b\r\n\r\n1\r\n--b\r\n\r\n22", "part 2: ends without a closing boundary after 2 bytes"),
    ],
)
def test_a_truncated_body_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(Truncated) as raised:
        parts(body)
    assert str(raised.value) == sentence


def test_limits_are_errors_that_name_them() -> None:
    with pytest.raises(MultipartError, match="no boundary in the first 65536 bytes"):
        parts(b"x" * 100_000, step=10_000)
    with pytest.raises(MultipartError, match="part 1: has more than 16384 bytes of headers"):
        parts(b"--b\r\nA: " + b"x" * 100_000, step=10_000)
    with pytest.raises(MultipartError, match="part 1: header line b'nonsense' has no name"):
        parts(b"--b\r\nnonsense\r\n\r\nx\r\n--b--")


@pytest.mark.parametrize("boundary", ["", "x" * 201, "ends with a blank ", "caf\u00e9", "a\r\nb"])
def test_rfc2046_5_1_1_a_boundary_that_no_line_can_carry_is_refused(boundary: str) -> None:
    with pytest.raises(MultipartError, match="boundary"):
        Parser(boundary)


def test_a_boundary_as_long_as_that_of_orthanc_is_taken() -> None:
    boundary = "b2bd56d9-18e8-4589-84d2-25970dd506be-b2bd56d9-18e8-4589-84d2-25970dd506be"
    parser = Parser(boundary)
    events = [*parser.feed(f"--{boundary}\r\n\r\n1\r\n--{boundary}--".encode())]
    parser.close()
    assert [bytes(e.chunk) for e in events if isinstance(e, PartData)] == [b"1"]


def test_what_is_kept_between_two_chunks_is_bounded() -> None:
    parser = Parser("boundary")
    list(parser.feed(b"--boundary\r\n\r\n"))
    for _ in range(50):
        given_on = sum(
            len(e.chunk) for e in parser.feed(b"\r\n--bound" * 1000) if isinstance(e, PartData)
        )
        assert given_on > 8000
        assert len(parser._pending) < 20


def test_what_is_written_is_what_any_reader_reads() -> None:
    boundary = multipart.new_boundary()
    contents = [b"", b"\r\n", b"--" + boundary.encode()[:-1], bytes(range(256))]
    body = b"".join(
        multipart.part_head(boundary, "application/dicom", location=f"http://h/{n}", first=n == 0)
        + content
        for n, content in enumerate(contents)
    ) + multipart.tail(boundary)
    assert [content for _, content in parts(body, boundary)] == contents
    assert parts(body, boundary)[1][0]["content-location"] == "http://h/1"
    message = email.message_from_bytes(
        f"Content-Type: {multipart.related(boundary, 'application/dicom')}\r\n\r\n".encode() + body,
        policy=email.policy.HTTP,
    )
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    assert len(list(message.iter_parts())) == len(contents)


NEAR_MULTIPART = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\r\n", b"--b", b"--", b"b", b"-", b"\r", b"\n", b" ", b"\t", b":", b"A: 1"]
        ),
        st.binary(max_size=6),
    ),
    max_size=40,
).map(b"".join)


@given(NEAR_MULTIPART, st.integers(1, 9))
def test_any_bytes_give_parts_or_a_typed_error_and_cuts_do_not_matter(
    body: bytes, step: int
) -> None:
    def outcome(step: int) -> object:
        try:
            return parts(body, step=step)
        except MultipartError as error:
            return str(error)

    assert outcome(step) == outcome(10**9)


@given(st.lists(NEAR_MULTIPART, max_size=5), st.integers(1, 40))
def test_whatever_is_written_is_read_back(contents: list[bytes], step: int) -> None:
    boundary = "0123456789abcdef"
    body = b"".join(
        multipart.part_head(boundary, "application/dicom", first=n == 0) + content
        for n, content in enumerate(contents)
    )
    body += multipart.tail(boundary)
    assert [content for _, content in parts(body, boundary, step)] == contents
