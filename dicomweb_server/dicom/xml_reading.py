"""Native DICOM XML (PS3.19 §A.1) into DICOM JSON, as PS3.18 §F.3 maps the two: xml_model.py's
other way round.

A document type declaration is refused: entities are how a kilobyte becomes a gigabyte.
"""

from typing import Any
from xml.parsers import expat

from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.json_model import Json

_WHERE = "XML"
_DEPTH = 256
_INTEGERS = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_FLOATS = frozenset({"DS", "FD", "FL"})
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class _Node:
    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Node] = []
        self.text: list[str] = []


def from_xml(text: bytes) -> Json:
    """The data set of one NativeDicomModel. Raises Malformed."""
    root = _parsed(text)
    if root.name != "NativeDicomModel":
        raise Malformed(_WHERE, f"begins with {root.name[:40]!r}, not NativeDicomModel")
    return _data_set(root)


def _parsed(text: bytes) -> _Node:
    parser = expat.ParserCreate(namespace_separator=" ")
    top = _Node("", {})
    open_nodes = [top]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(open_nodes) > _DEPTH:
            raise Malformed(_WHERE, f"is nested deeper than {_DEPTH} elements")
        node = _Node(name.rpartition(" ")[2], attributes)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def refuse(*_: object) -> None:
        raise Malformed(_WHERE, "has a document type declaration")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: open_nodes.pop()
    parser.CharacterDataHandler = lambda data: open_nodes[-1].text.append(data)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Malformed(_WHERE, f"cannot be read: {error}") from None
    return top.children[0]


def _data_set(node: _Node) -> Json:
    document: Json = {}
    blocks: dict[tuple[str, str], int] = {}
    for child in node.children:
        if child.name != "DicomAttribute":
            raise Malformed(_WHERE, f"has {child.name[:40]!r} where DicomAttribute must be")
        tag = child.attributes.get("tag", "").upper()
        creator = child.attributes.get("privateCreator")
        if creator is not None and len(tag) == 8:
            # PS3.19 Table A.1.5-2: the block is left out, so that one has to be reserved.
            group = tag[:4]
            used = [block for (of, _), block in blocks.items() if of == group]
            block = blocks.setdefault((group, creator), max(used, default=0x0F) + 1)
            document[f"{group}00{block:02X}"] = {"vr": "LO", "Value": [creator]}
            tag = f"{group}{block:02X}{tag[6:]}"
        document[tag] = _element(child, tag)
    return document


def _element(node: _Node, tag: str) -> dict[str, Any]:
    vr = node.attributes.get("vr", "")
    element: dict[str, Any] = {"vr": vr}
    numbered: dict[int, Any] = {}
    for at, child in enumerate(node.children, 1):
        if child.name == "BulkData":
            element["BulkDataURI"] = child.attributes.get("uri") or child.attributes.get("uuid", "")
            return element
        if child.name == "InlineBinary":
            element["InlineBinary"] = "".join("".join(child.text).split())
            return element
        numbered[_number_of(child, at, tag)] = _value(child, vr, tag)
    if numbered:
        element["Value"] = [numbered.get(n) for n in range(1, max(numbered) + 1)]
    return element


def _number_of(node: _Node, at: int, tag: str) -> int:
    text = node.attributes.get("number", str(at))
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise Malformed(_WHERE, f"has a value number {text[:20]!r} in {tag[:8]}")
    return int(text)


def _value(node: _Node, vr: str, tag: str) -> Any:
    if node.name == "Item":
        return _data_set(node)
    if node.name == "PersonName":
        return {
            group.name: "^".join(
                "".join("".join(part.text) for part in group.children if part.name == component)
                for component in _COMPONENTS
            ).rstrip("^")
            for group in node.children
            if group.name in _GROUPS
        }
    if node.name != "Value":
        raise Malformed(_WHERE, f"has {node.name[:40]!r} in {tag[:8]}, which is no value")
    text = "".join(node.text)
    if not text:
        return None
    try:
        if vr in _INTEGERS:
            return int(text)
        if vr in _FLOATS:
            float(text)
            return text.strip() if vr == "DS" else float(text)
    except ValueError:
        if vr not in ("DS", "IS"):
            raise Malformed(_WHERE, f"has {text[:20]!r} in {tag[:8]}, which is no {vr}") from None
    return text
