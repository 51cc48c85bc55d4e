"""Texts in every character set of PS3.3 §C.12.1.1.2, right and wrong."""

import pytest

from dicomweb_server.dicom.charset import DEFAULT, charset_of, decode


@pytest.mark.parametrize(
    ("term", "value", "text"),
    [
        (b"", b"Doe^Jane", "Doe^Jane"),
        (b"ISO_IR 100", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        (b"ISO_IR 101", "Čapek".encode("iso8859-2"), "Čapek"),
        (b"ISO_IR 109", "Ĝis".encode("iso8859-3"), "Ĝis"),
        (b"ISO_IR 110", "Ķ".encode("iso8859-4"), "Ķ"),
        (b"ISO_IR 126", "Διονυσιος".encode("iso8859-7"), "Διονυσιος"),
        (b"ISO_IR 127", "قباني".encode("iso8859-6"), "قباني"),
        (b"ISO_IR 138", "שרון".encode("iso8859-8"), "שרון"),
        (b"ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
        (b"ISO_IR 148", "Çavuşoğlu".encode("iso8859-9"), "Çavuşoğlu"),
        (b"ISO_IR 166", "นามสกุล".encode("tis-620"), "นามสกุล"),
        (b"ISO_IR 203", "Œuvrard^Zoë€".encode("iso8859-15"), "Œuvrard^Zoë€"),
        (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"ISO_IR 192", "王^小东".encode(), "王^小东"),
        (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
        (b"GBK", "王^小東".encode("gbk"), "王^小東"),
        (
            b"ISO 2022 IR 6\\ISO 2022 IR 58",
            b"Wang^XiaoDong=\x1b$)A"
            + "王".encode("gb2312")
            + b"^\x1b$)A"
            + "小东".encode("gb2312"),
            "Wang^XiaoDong=王^小东",
        ),
        (
            b"\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "Yamada^Tarou=山田^太郎",
        ),
        (
            b"ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J",
            "ﾔﾏﾀﾞ=山田",
        ),
        (b"ISO 2022 IR 6\\ISO 2022 IR 203", b"Zo\x1b-b\xeb\xa4", "Zoë€"),
        (b"\\ISO 2022 IR 159", b"\x1b$(D\x30\x21\x1b(B", "丂"),
        (
            b"\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        ),
        (
            b"ISO 2022 IR 100\\ISO 2022 IR 144",
            b"M\xfcller\x1b-L" + "Люк".encode("iso8859-5"),
            "MüllerЛюк",
        ),
    ],
)
def test_each_character_set_is_read(term: bytes, value: bytes, text: str) -> None:
    assert decode(value, charset_of(term)) == text


def test_ps3_5_6_1_2_5_3_a_new_line_switches_back_to_the_first_character_set() -> None:
    charset = charset_of(b"ISO 2022 IR 100\\ISO 2022 IR 144")
    assert decode(b"\x1b-L\xbb\r\n\xfc", charset) == "Л\r\nü"


def test_ps3_5_6_1_2_5_4_what_stands_alone_cannot_be_switched_to() -> None:
    assert charset_of(b"ISO_IR 192\\ISO 2022 IR 87") == ("UTF8",)
    assert charset_of(b"ISO 2022 IR 100\\GB18030") == ("latin_1",)


@pytest.mark.parametrize(
    "term",
    [
        b"ISO IR 100",
        b"ISO-IR 100",
        b"ISO_IR_100",
        b"iso_ir 100",
        b"ISO 2022-IR-100",
        b"ISO_IR 100 ",
    ],
)
def test_common_misspellings_are_understood(term: bytes) -> None:
    assert decode(b"\xfc", charset_of(term)) == "ü"


@pytest.mark.parametrize("term", [b"UTF-8", b"utf8", b"ISO_IR 192\0"])
def test_utf_8_by_other_names_is_understood(term: bytes) -> None:
    assert decode("王".encode(), charset_of(term)) == "王"


@pytest.mark.parametrize("term", [b"KLINGON", b"bz2", b"unicode_escape", b"utf-7", b"\xff\xfe"])
def test_a_character_set_nobody_knows_is_read_as_latin_1(term: bytes) -> None:
    assert charset_of(term) == DEFAULT
    assert decode(b"\\ud800 \xfc", charset_of(term)) == "\\ud800 ü"


@pytest.mark.parametrize("term", [b"ISO_IR 192", b"GB18030", b"ISO_IR 13", b"\\ISO 2022 IR 87"])
@pytest.mark.parametrize(
    "value", [b"\xff\xfe\x80", b"\x1b", b"\x1b$B\xff", b"\x1b$)C\xff", b"\x1b)Z"]
)
def test_bytes_outside_the_character_set_never_fail(term: bytes, value: bytes) -> None:
    decode(value, charset_of(term)).encode()


def test_an_escape_that_was_not_announced_is_believed() -> None:
    assert decode(b"\x1b$B;3ED\x1b(B", DEFAULT) == "山田"
