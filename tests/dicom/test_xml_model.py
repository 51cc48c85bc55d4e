"""The Native DICOM Model (PS3.19 §A.1)."""

from xml.etree import ElementTree

import orjson

from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.xml_model import to_xml
from tests.dicom.build import element, part10

NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def xml_of(file: bytes) -> ElementTree.Element:
    document = orjson.loads(describe(BytesSource(file)).metadata)
    return ElementTree.fromstring(to_xml(document))


def attribute(root: ElementTree.Element, tag: str) -> ElementTree.Element:
    found = root.find(f"{NAMESPACE}DicomAttribute[@tag='{tag}']")
    assert found is not None
    return found


def test_an_attribute_has_tag_vr_and_keyword_and_numbered_values() -> None:
    found = attribute(xml_of(part10(ImageType=["ORIGINAL", "", "AXIAL"])), "00080008")
    assert found.attrib == {"tag": "00080008", "vr": "CS", "keyword": "ImageType"}
    assert [(v.get("number"), v.text) for v in found] == [
        ("1", "ORIGINAL"),
        ("2", None),
        ("3", "AXIAL"),
    ]


def test_a_name_has_its_groups_and_components() -> None:
    found = attribute(xml_of(part10(PatientName="Wang^XiaoDong^^Dr=王^小东")), "00100010")
    text = {each.tag.removeprefix(NAMESPACE): each.text for each in found.iter()}
    assert (text["NamePrefix"], text["GivenName"]) == ("Dr", "小东")
    assert [each.tag.removeprefix(NAMESPACE) for each in found[0]] == ["Alphabetic", "Ideographic"]


def test_items_bulk_data_and_inline_binary() -> None:
    root = xml_of(
        part10(
            rows=1,
            columns=1,
            RequestAttributesSequence=[{"ScheduledProcedureStepID": "A"}, {}],
            extra={0x00420011: element(0x00420011, "OB", b"%PDF")},
        )
    )
    items = attribute(root, "00400275")
    assert [each.get("number") for each in items] == ["1", "2"]
    assert attribute(items[0], "00400009")[0].text == "A"
    assert attribute(root, "7FE00010")[0].attrib == {"uri": "bulkdata/7FE00010"}
    assert attribute(root, "00420011")[0].text == "JVBERg=="


def test_a_private_attribute_is_named_by_its_creator() -> None:
    root = xml_of(
        part10(
            extra={
                0x00090011: element(0x00090011, "LO", b'A"<CME '),
                0x00091101: element(0x00091101, "LO", b"x "),
            }
        )
    )
    found = attribute(root, "00090001")
    assert (found.get("privateCreator"), found[0].text) == ('A"<CME', "x")
    assert root.find(f"{NAMESPACE}DicomAttribute[@tag='00090011']") is None


def test_what_xml_cannot_hold_is_replaced() -> None:
    found = attribute(xml_of(part10(PatientID="a\x0b<&>\x00b")), "00100020")
    assert found[0].text == "a\ufffd<&>\ufffdb"
