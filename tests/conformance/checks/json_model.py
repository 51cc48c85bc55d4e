"""DICOM JSON as metadata and search answers hold it (PS3.18 Annex F), and its XML twin."""

import base64
from typing import Any

from tests.conformance.material import Material
from tests.conformance.reading import JSON, NATIVE_MODEL, XML, bulk_uris, values, walk, xml_of
from tests.conformance.rules import JSON_MODEL, Registrar
from tests.conformance.site import Reply, Site

rule = Registrar(JSON_MODEL)


def of(site: Site, given: Material, name: str = "values") -> tuple[Reply, dict[str, Any]]:
    reply = site.get(given.having(name).path + "/metadata", accept=JSON).expect(200)
    reply.require(len(reply.items) == 1, "the instance")
    return reply, reply.items[0]


@rule("F.2.2", "shall", "Attributes are in ascending order of their tags, in items too.")
def attributes_are_in_order(site: Site, given: Material) -> None:
    for name in ("values", "ct1", "sr", "segmentation"):
        reply, item = of(site, given, name)
        objects = [item]
        while objects:
            one = objects.pop()
            reply.require(list(one) == sorted(one), f"the tags of {name} in order")
            for element in one.values():
                if element.get("vr") == "SQ":
                    objects += element.get("Value", [])


@rule("F.2.2", "shall", "A tag is eight upper case hexadecimal digits.")
def tags_are_upper_case(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    for path, _ in walk(item):
        tag = path.rpartition("/")[2]
        ok = len(tag) == 8 and all(digit in "0123456789ABCDEF" for digit in tag)
        reply.require(ok or tag.isdigit(), f"a tag, not {tag}")


@rule("F.2.2", "shall", "Group lengths are not included.")
def no_group_lengths(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    odd = [path for path, _ in walk(item) if path[-4:] == "0000"]
    reply.require(not odd, f"no {odd}")


@rule(
    "F.2.2",
    "shall",
    "Each attribute has its vr, and at most one of Value, BulkDataURI, InlineBinary.",
)
def each_attribute_has_a_vr(site: Site, given: Material) -> None:
    for name in ("values", "sr", "pdf", "ecg", "multi"):
        reply, item = of(site, given, name)
        for path, element in walk(item):
            reply.require(len(str(element.get("vr", ""))) == 2, f"a vr of {path}")
            kinds = {"Value", "BulkDataURI", "InlineBinary"} & set(element)
            reply.require(len(kinds) <= 1, f"one of {sorted(kinds)} in {path}")


def value_rule(tag: str, vr: str, wanted: list[Any], sentence: str, section: str = "F.2.3") -> None:
    def check(site: Site, given: Material) -> None:
        reply, item = of(site, given)
        element = item.get(tag)
        reply.require(element is not None, f"the attribute {tag}")
        assert element is not None
        reply.require(element.get("vr") == vr, f"vr {vr} of {tag}, not {element.get('vr')}")
        found = element.get("Value")
        same = found == wanted and [type(one) for one in found] == [type(one) for one in wanted]
        reply.require(same, f"{wanted!r} in {tag}, not {found!r}")

    check.__name__ = f"value_of_{vr.lower()}_{tag.lower()}"
    rule(section, "shall", sentence)(check)


value_rule("00080054", "AE", ["AE_ONE"], "AE is a string.")
value_rule("00101010", "AS", ["042Y"], "AS is a string.")
value_rule("00280009", "AT", ["00181063"], "AT is a string of eight hexadecimal digits.")
value_rule(
    "00080008", "CS", ["DERIVED", "PRIMARY"], "Several values are several elements.", "F.2.4"
)
value_rule("00080022", "DA", ["20240131"], "DA is a string.")
value_rule("00080032", "TM", ["101530.250000"], "TM is a string.")
value_rule("0008002A", "DT", ["20240131101530.250000+0100"], "DT is a string.")
value_rule("00189087", "FD", [1000.125], "FD is a number.")
value_rule("00186020", "SL", [-40000], "SL is a number.")
value_rule("00081161", "UL", [1, 4, 4294967295], "UL is a number, 32 bits unsigned.")
value_rule("00081190", "UR", ["http://example.org/studies?a=1&b=%20"], "UR is a string.")
value_rule(
    "00181000", "LO", ["SN <&> 1"], "Characters special to XML and HTML are themselves in JSON."
)
value_rule(
    "00104000",
    "LT",
    ['Line one\r\nLine two \\ with a backslash and "quotes"'],
    "LT is one value, its backslash and control characters kept.",
)
value_rule(
    "00081070",
    "PN",
    [{"Alphabetic": "First^Op"}, {"Alphabetic": "Second^Op^^Dr"}],
    "PN is an object of its component groups, each value its own.",
)


def number_rule(tag: str, vr: str, wanted: list[float], sentence: str) -> None:
    """F.2.3 lets DS, IS, SV and UV be numbers or strings."""

    def check(site: Site, given: Material) -> None:
        reply, item = of(site, given)
        element = item.get(tag)
        reply.require(element is not None, f"the attribute {tag}")
        assert element is not None
        reply.require(element.get("vr") == vr, f"vr {vr} of {tag}, not {element.get('vr')}")
        found = element.get("Value") or []
        try:
            numbers = [int(one) if isinstance(wanted[0], int) else float(one) for one in found]
        except (TypeError, ValueError):
            numbers = []
        reply.require(numbers == wanted, f"{wanted} in {tag}, not {found!r}")

    check.__name__ = f"value_of_{vr.lower()}_{tag.lower()}"
    rule("F.2.3", "shall", sentence)(check)


number_rule("00101030", "DS", [72.5], "DS is a number or a string.")
number_rule("00281053", "DS", [0.1], "DS keeps its value.")
number_rule("00200013", "IS", [1], "IS is a number or a string.")
number_rule("00720083", "UV", [1, 18446744073709551615], "UV keeps all its 64 bits.")
number_rule("00720082", "SV", [-9223372036854775808], "SV keeps all its 64 bits.")


@rule("F.2.3", "should", "DS and IS are numbers, so that clients need not parse them.")
def decimal_strings_are_numbers(site: Site, given: Material) -> None:
    reply, item = of(site, given, "ct1")
    for tag in ("00280030", "00200032", "00200013"):
        found = values(item, tag)
        ok = bool(found) and all(isinstance(one, (int, float)) for one in found)
        reply.require(ok, f"numbers in {tag}, not {found}")


@rule("F.2.5", "shall", "An attribute without value has its vr and no Value.")
def empty_attributes_have_no_value(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    for tag in ("00101020", "00101001"):
        element = item.get(tag)
        reply.require(element is not None, f"the empty attribute {tag}")
        assert element is not None
        found = element.get("Value")
        reply.require(not found, f"no Value in {tag}, not {found!r}")


@rule("F.2.5", "should", "An empty attribute has no member Value at all.")
def empty_attributes_have_no_value_member(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    element = item.get("00101020", {})
    reply.require(element == {"vr": "DS"}, f"only a vr in (0010,1020), not {element}")


@rule("F.2.5", "shall", "An empty sequence has no items, an empty item is an empty object.")
def empty_sequences_and_items(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    empty = item.get("00081110", {})
    reply.require(empty.get("vr") == "SQ" and not empty.get("Value"), "an empty (0008,1110)")
    reply.require(values(item, "0008114A") == [{}], "one empty item in (0008,114A)")


@rule("F.2.2", "shall", "Items of a sequence are objects in its Value, however deep.")
def sequences_nest(site: Site, given: Material) -> None:
    reply, item = of(site, given, "sr")
    content = values(item, "0040A730")
    reply.require(len(content) == 1, "one item in Content Sequence")
    text = values(content[0], "0040A160")
    reply.require(text == ["Nothing that was not there before — 无异常"], f"its text, not {text}")
    code = values(values(content[0], "0040A043")[0], "00080100")
    reply.require(code == ["121071"], f"its code, not {code}")


@rule("F.2.7", "shall", "InlineBinary is the base64 of the value.")
def inline_binary_is_base64(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    element = item.get("00091003", {})
    if "InlineBinary" not in element:
        reply.require("BulkDataURI" in element, "InlineBinary or BulkDataURI in (0009,1003)")
        return
    found = base64.b64decode(str(element["InlineBinary"]), validate=True)
    reply.require(found == b"\1\2\3\4", f"the four bytes, not {found!r}")


@rule("F.2.2", "shall", "A private attribute has the VR it was stored with.")
def private_attributes_keep_their_vr(site: Site, given: Material) -> None:
    reply, item = of(site, given)
    for tag, vr in (("00091001", "LO"), ("00091002", "OB"), ("00091004", "DS"), ("00091006", "SQ")):
        found = item.get(tag, {}).get("vr")
        reply.require(found == vr, f"vr {vr} of {tag}, not {found}")


@rule("F.2.6", "shall", "A BulkDataURI is a URL below the service, or relative to it.")
def bulk_data_uris_are_urls(site: Site, given: Material) -> None:
    reply, item = of(site, given, "ct1")
    for path, uri in bulk_uris(item).items():
        absolute = uri.startswith(("http://", "https://"))
        ok = uri.startswith(site.base + "/") if absolute else bool(uri)
        reply.require(ok, f"a URL below {site.base} for {path}, not {uri}")


@rule("PS3.19 A.1", "shall", "Native XML has the same values as DICOM JSON.")
def xml_has_the_same_values(site: Site, given: Material) -> None:
    reply = site.get(given.having("values").path + "/metadata", accept=XML).expect(200)
    root = xml_of(reply, reply.parts[0])
    found: dict[str, list[str]] = {}
    for attribute in root.findall(NATIVE_MODEL + "DicomAttribute"):
        texts = [one.text or "" for one in attribute.findall(NATIVE_MODEL + "Value")]
        found[attribute.get("tag") or ""] = texts
    for tag, wanted in (
        ("00080008", ["DERIVED", "PRIMARY"]),
        ("00181000", ["SN <&> 1"]),
        ("00280009", ["00181063"]),
        ("00081161", ["1", "4", "4294967295"]),
    ):
        reply.require(found.get(tag) == wanted, f"{wanted} in {tag}, not {found.get(tag)}")


@rule("F.2.1", "shall", "Metadata of several instances is one array of objects.")
def metadata_is_one_array(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").series + "/metadata", accept=JSON).expect(200)
    reply.require(len(reply.items) == 5, "an array of five objects")
