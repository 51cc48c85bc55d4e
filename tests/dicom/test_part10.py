"""What of a DICOM file is read, and what is refused by name (PS3.10 §7.1, PS3.5 §7)."""

import struct
import zlib
from typing import Any

import pytest

from dicomweb_server.dicom.errors import Malformed, NotDicom, NotInDataSet, TooLarge
from dicomweb_server.dicom.inflate import InflatedFile
from dicomweb_server.dicom.part10 import (
    DataSet,
    ItemTable,
    Limits,
    Opened,
    find,
    open_data_set,
    read_head,
)
from dicomweb_server.dicom.source import BytesSource
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    ITEM_END,
    JPEG_BASELINE,
    SEQUENCE_END,
    UNDEFINED,
    data_set,
    element,
    item,
    part10,
)

ALL_ENCODINGS = (
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)

SEQUENCE = 0x00400275


def opened(file: bytes, **limits: Any) -> Opened:
    return open_data_set(BytesSource(file), limits=Limits(**limits))


def items_of(file: bytes, tag: int = SEQUENCE) -> list[DataSet]:
    value = opened(file).structure.data_set.elements[tag].value
    assert isinstance(value, (list, ItemTable))
    return list(value)


def nested(levels: int, *, undefined: bool = False) -> bytes:
    """A sequence with an item with a sequence with an item ..."""
    inner = b""
    for _ in range(levels):
        if undefined:
            inner = item(inner, length=UNDEFINED) + ITEM_END + SEQUENCE_END
            inner = element(SEQUENCE, "SQ", inner, length=UNDEFINED)
        else:
            inner = element(SEQUENCE, "SQ", item(inner))
    return inner


class TestHead:
    def test_the_file_meta_information_names_the_transfer_syntax(self) -> None:
        head = read_head(BytesSource(part10(transfer_syntax_uid=JPEG_BASELINE)))
        assert (head.prefixed, head.transfer_syntax_uid) == (True, JPEG_BASELINE)

    def test_a_file_without_preamble_is_read(self) -> None:
        file = part10(preamble=False)
        assert read_head(BytesSource(file)).transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN
        assert opened(file).structure.data_set.elements[0x00080060].value == b"CT"

    @pytest.mark.parametrize(
        "uid", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
    )
    def test_a_data_set_alone_tells_its_transfer_syntax_by_its_first_element(
        self, uid: str
    ) -> None:
        file = part10(transfer_syntax_uid=uid, meta=False)
        assert read_head(BytesSource(file)).transfer_syntax_uid == uid
        assert opened(file).structure.data_set.elements[0x00080060].value == b"CT"

    def test_a_wrong_group_length_is_not_believed(self) -> None:
        file = part10()
        right = file[132:144]
        assert right[:4] == b"\x02\0\0\0"
        wrong = file.replace(right, element(0x00020000, "UL", struct.pack("<I", 7)))
        assert opened(wrong).head.dataset_offset == opened(file).head.dataset_offset

    def test_file_meta_information_in_implicit_vr_is_read(self) -> None:
        uid = IMPLICIT_VR_LITTLE_ENDIAN
        meta = element(0x00020010, "UI", uid.encode() + b"\0", transfer_syntax_uid=uid)
        body = part10(meta=False, transfer_syntax_uid=uid)
        assert read_head(BytesSource(b"\0" * 128 + b"DICM" + meta + body)).dataset_offset == (
            132 + len(meta)
        )

    def test_a_dimse_command_in_front_is_no_part_of_the_data_set(self) -> None:
        uid = IMPLICIT_VR_LITTLE_ENDIAN
        command = element(0x00000000, "UL", b"\0\0\0\0", transfer_syntax_uid=uid)
        body = part10(meta=False, transfer_syntax_uid=uid)
        meta = part10(transfer_syntax_uid=uid)[: -len(body)]
        tags = opened(meta + command + body).structure.data_set.elements
        assert min(tags) == 0x00080005

    @pytest.mark.parametrize("bytes_", [b"", b"DICM", b"GIF89a" * 40, b"\0" * 200])
    def test_other_files_are_not_dicom(self, bytes_: bytes) -> None:
        with pytest.raises(NotDicom):
            opened(bytes_)

    def test_file_meta_information_that_runs_past_the_end_is_malformed(self) -> None:
        file = b"\0" * 128 + b"DICM" + element(0x00020010, "UI", b"1.2.", length=400)
        with pytest.raises(Malformed, match=r"\(0002,0010\) claims 400 bytes, 4 are left"):
            opened(file)

    def test_file_meta_information_of_more_than_a_mebibyte_is_too_large(self) -> None:
        meta = element(0x00020102, "OB", b"\0" * (1024 * 1024))
        with pytest.raises(TooLarge, match="File Meta Information"):
            opened(b"\0" * 128 + b"DICM" + meta + part10(meta=False))


class TestElements:
    @pytest.mark.parametrize("uid", ALL_ENCODINGS)
    def test_every_encoding_gives_the_same_elements(self, uid: str) -> None:
        file = part10(
            transfer_syntax_uid=uid,
            PatientName="Doe^Jane",
            RequestAttributesSequence=[{"ScheduledProcedureStepID": "A"}, {}],
        )
        elements = opened(file).structure.data_set.elements
        assert elements[0x00100010].value == b"Doe^Jane"
        items = elements[SEQUENCE].value
        assert isinstance(items, list)
        assert [list(each.elements) for each in items] == [[0x00400009], []]

    def test_the_first_element_decides_when_the_header_names_the_other_encoding(self) -> None:
        body = part10(meta=False, transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN)
        wrong = part10()[: -len(part10(meta=False))] + body
        assert opened(wrong).structure.data_set.implicit

    def test_an_implicit_element_among_explicit_ones_is_read(self) -> None:
        odd = element(0x00100020, "LO", b"007 ", transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN)
        elements = opened(part10(extra={0x00100020: odd})).structure.data_set.elements
        assert (elements[0x00100020].vr, elements[0x00100020].value) == ("LO", b"007 ")
        assert 0x0020000D in elements

    def test_ps3_5_7_1_2_a_vr_to_come_has_a_length_of_32_bits(self) -> None:
        future = struct.pack("<HH2sHI", 0x0009, 0x1001, b"QQ", 0, 4) + b"abcd"
        elements = opened(part10(extra={0x00091001: future})).structure.data_set.elements
        assert (elements[0x00091001].vr, elements[0x00091001].value) == ("UN", b"abcd")

    def test_un_is_read_as_the_vr_that_the_dictionary_gives(self) -> None:
        unknown = element(0x00100020, "UN", b"007 ")
        elements = opened(part10(extra={0x00100020: unknown})).structure.data_set.elements
        assert elements[0x00100020].vr == "LO"

    def test_a_private_element_is_known_by_its_creator(self) -> None:
        uid = IMPLICIT_VR_LITTLE_ENDIAN
        creator = element(0x00290010, "LO", b"SIEMENS CSA HEADER", transfer_syntax_uid=uid)
        kind = element(0x00291008, "CS", b"IMAGE NUM 4 ", transfer_syntax_uid=uid)
        file = part10(transfer_syntax_uid=uid, extra={0x00290010: creator, 0x00291008: kind})
        elements = opened(file).structure.data_set.elements
        assert (elements[0x00290010].vr, elements[0x00291008].vr) == ("LO", "CS")

    def test_values_above_64_kib_are_not_read(self) -> None:
        large = element(0x00420011, "OB", b"%PDF" * 20_000)
        found = opened(part10(extra={0x00420011: large}))
        assert found.structure.data_set.elements[0x00420011].value is None
        assert [extent.length for extent in found.structure.large] == [80_000]

    def test_fewer_than_8_bytes_at_the_end_are_left_alone(self) -> None:
        assert opened(part10() + b"\0" * 7).structure.data_set.elements[0x0020000E]

    def test_one_sequence_delimiter_too_many_is_passed_over(self) -> None:
        stray = nested(1) + SEQUENCE_END
        assert opened(part10(extra={SEQUENCE: stray})).structure.data_set.elements[SEQUENCE]


class TestSequences:
    def test_undefined_lengths_nest(self) -> None:
        items = items_of(part10(extra={SEQUENCE: nested(3, undefined=True)}))
        assert isinstance(items, list)
        inner = items[0].elements[SEQUENCE].value
        assert isinstance(inner, list)
        assert list(inner[0].elements) == [SEQUENCE]

    def test_ps3_5_6_2_2_un_of_undefined_length_is_an_implicit_sequence(self) -> None:
        content = data_set({"PatientID": "7"}, transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN)
        unknown = element(0x00091001, "UN", item(content) + SEQUENCE_END, length=UNDEFINED)
        items = items_of(part10(extra={0x00091001: unknown}), 0x00091001)
        assert items[0].elements[0x00100020].value == b"7 "

    def test_a_sequence_that_cannot_be_read_inside_is_one_opaque_value(self) -> None:
        broken = element(SEQUENCE, "SQ", b"neither item nor delimiter!!")
        elements = opened(part10(extra={SEQUENCE: broken})).structure.data_set.elements
        assert (elements[SEQUENCE].vr, elements[SEQUENCE].value) == (
            "UN",
            b"neither item nor delimiter!!",
        )
        assert 0x0020000E in elements

    def test_what_a_large_broken_sequence_had_cut_out_is_cut_once(self) -> None:
        inner = element(0x00420011, "OB", b"x" * 70_000)
        broken = element(SEQUENCE, "SQ", item(inner) + b"garbage that is no item at all")
        found = opened(part10(extra={SEQUENCE: broken}))
        assert [extent.length for extent in found.structure.large] == [len(broken) - 12]

    def test_sixty_four_levels_are_read_and_two_hundred_are_too_large(self) -> None:
        opened(part10(extra={SEQUENCE: nested(64)}))
        for undefined in (False, True):
            with pytest.raises(TooLarge, match="levels of sequences, the limit is 64"):
                opened(part10(extra={SEQUENCE: nested(200, undefined=undefined)}))

    def test_a_sequence_without_its_delimiter_is_malformed(self) -> None:
        endless = element(SEQUENCE, "SQ", item(b""), length=UNDEFINED)
        with pytest.raises(Malformed, match=r"\(0040,0275\)>\(FFFE,E0DD\) is missing"):
            opened(part10() + endless)

    def test_the_path_to_a_fault_is_named(self) -> None:
        inner = element(0x00400009, "SH", b"A ", length=9999)
        broken = item(inner, length=UNDEFINED) + ITEM_END + SEQUENCE_END
        file = part10(extra={SEQUENCE: element(SEQUENCE, "SQ", broken, length=UNDEFINED)})
        with pytest.raises(Malformed, match=r"\(0040,0275\)>\(0040,0009\) claims 9999 bytes"):
            opened(file)

    @pytest.mark.parametrize("undefined", [False, True])
    def test_items_of_a_long_sequence_are_read_one_at_a_time(self, undefined: bool) -> None:
        one = [element(0x00100020, "LO", b"%04d" % n) + nested(1) for n in range(3000)]
        items = [
            item(each, length=UNDEFINED) + ITEM_END if undefined else item(each) for each in one
        ]
        long = element(SEQUENCE, "SQ", b"".join(items))
        # Of 12,000 elements and items; the places of 3,000 items are held.
        found = opened(part10(extra={SEQUENCE: long}), elements=3200)
        value = found.structure.data_set.elements[SEQUENCE].value
        assert isinstance(value, ItemTable)
        assert [each.elements[0x00100020].value for each in value] == [
            b"%04d" % n for n in range(3000)
        ]
        assert value[2999].elements[0x00100020].value == b"2999"

    def test_equal_headers_are_read_alike_in_each_byte_order_and_encoding(self) -> None:
        # (0008,1030) LO of 4 bytes little endian is another element in each of the others.
        for uid in ALL_ENCODINGS * 2:
            extra = {0x00081030: element(0x00081030, "LO", b"CT 1", transfer_syntax_uid=uid)}
            elements = opened(part10(transfer_syntax_uid=uid, extra=extra)).structure.data_set
            found = elements.elements[0x00081030]
            assert (found.vr, found.length, found.value) == ("LO", 4, b"CT 1")


class TestRefused:
    def test_an_element_beyond_the_end_of_the_file(self) -> None:
        with pytest.raises(Malformed, match=r"\(0010,0020\) claims 5000 bytes, \d+ are left"):
            opened(part10(extra={0x00100020: element(0x00100020, "LO", b"1 ", length=5000)}))

    def test_truncated_pixel_data(self) -> None:
        with pytest.raises(Malformed, match=r"\(7FE0,0010\) claims 8 bytes, 5 are left"):
            opened(part10(rows=2, columns=2)[:-3])

    def test_an_item_where_no_item_can_be(self) -> None:
        with pytest.raises(Malformed, match=r"\(FFFE,E000\) is no element"):
            opened(part10(extra={0xFFFEE000: item(b"")}))

    def test_a_header_of_many_small_elements(self) -> None:
        many = b"".join(element(0x00091000 + n, "LO", b"x" * 60_000) for n in range(30))
        with pytest.raises(TooLarge, match=r"the header holds .* the limit is 1000000"):
            opened(part10(extra={0x00091000: many}), skeleton_bytes=1_000_000)

    def test_more_elements_than_can_be_held(self) -> None:
        inner = element(SEQUENCE, "SQ", item(b"") * 100_000)
        items = element(SEQUENCE, "SQ", item(inner))
        with pytest.raises(TooLarge, match="elements, the limit is 50000"):
            opened(part10(extra={SEQUENCE: items}), elements=50_000)

    def test_more_fragments_than_frames_can_be(self) -> None:
        file = part10(rows=1, columns=1, fragments=[b""] * 300, transfer_syntax_uid=JPEG_BASELINE)
        with pytest.raises(TooLarge, match="fragments, the limit is 200"):
            opened(file, frames=200)


class TestDeflated:
    def test_a_bomb_is_defused(self) -> None:
        head = part10(transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        offset = opened(head).head.dataset_offset
        deflater = zlib.compressobj(9, wbits=-15)
        bomb = b"".join(deflater.compress(bytes(1024 * 1024)) for _ in range(64)) + deflater.flush()
        with pytest.raises(TooLarge, match="the deflated data set holds"):
            opened(head[:offset] + bomb, inflated_bytes=32 * 1024 * 1024)

    def test_a_stream_that_ends_early_is_malformed(self) -> None:
        file = part10(transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        with pytest.raises(Malformed, match="the deflated data set ends early"):
            opened(file[:-10])

    def test_what_is_not_deflated_is_malformed(self) -> None:
        file = part10(transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        offset = opened(file).head.dataset_offset
        with pytest.raises(Malformed, match="cannot be inflated"):
            opened(file[:offset] + b"\xff" * 100)

    def test_a_large_data_set_inflates_into_a_file(self) -> None:
        value = bytes(range(256)) * 40_000
        large = element(0x00420011, "OB", value)
        file = part10(
            transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, extra={0x00420011: large}
        )
        found = opened(file)
        extent = found.structure.data_set.elements[0x00420011].extent
        assert isinstance(found.source, InflatedFile)
        assert found.source.read_at(extent.offset, extent.length) == value
        assert found.source.read_at(found.source.length, 10) == b""


class TestFind:
    FILE = part10(rows=2, columns=2, WaveformSequence=[{}, {"WaveformData": b"0123"}])

    def test_a_path_names_items_from_0(self) -> None:
        tag, found, inside = find(opened(self.FILE).structure, "54000100/1/54001010")
        assert (tag, found.value, len(inside)) == (0x54001010, b"0123", 2)

    @pytest.mark.parametrize(
        "path",
        ["", "7FE00011", "54000100/2/54001010", "54000100/-1/54001010", "54000100/1", "x", "../.."],
    )
    def test_a_path_that_leads_nowhere_is_not_in_the_data_set(self, path: str) -> None:
        with pytest.raises(NotInDataSet):
            find(opened(self.FILE).structure, path)
