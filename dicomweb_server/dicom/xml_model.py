"""The Native DICOM Model (PS3.19 §A.1) of a DICOM JSON object, as PS3.18 §F.3 maps the two.

Private attributes are named by their creator and `gggg00ee`; the creator elements themselves are
not written (PS3.19 Table A.1.5-2). Characters that XML 1.0 cannot hold become U+FFFD.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from dicomweb_server.dicom.json_model import Json

_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(document: Json) -> bytes:
    """One XML document, UTF-8."""
    body = "".join(_attributes(document))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<NativeDicomModel xmlns="{_NAMESPACE}" xml:space="preserve">{body}</NativeDicomModel>'
    ).encode()


def _attributes(document: Json) -> Iterator[str]:
    for key, element in document.items():
        private = int(key[3], 16) % 2 == 1
        if private and 0x10 <= int(key[4:], 16) <= 0xFF:
            continue
        if private:
            creator = document.get(f"{key[:4]}00{key[4:6]}", {}).get("Value") or [""]
            name = f'tag="{key[:4]}00{key[6:]}" privateCreator={_quoted(creator[0])}'
        else:
            name = f'tag="{key}"{_keyword(key)}'
        content = _content(element)
        yield f'<DicomAttribute {name} vr="{element["vr"]}">{content}</DicomAttribute>'


@lru_cache(maxsize=16384)
def _keyword(key: str) -> str:
    keyword = keyword_for_tag(int(key, 16))
    return f' keyword="{keyword}"' if keyword else ""


def _content(element: dict[str, Any]) -> str:
    if "BulkDataURI" in element:
        return f"<BulkData uri={_quoted(element['BulkDataURI'])}/>"
    if "InlineBinary" in element:
        return f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    values: Sequence[Any] = element.get("Value", ())
    if element["vr"] == "SQ":
        return "".join(
            f'<Item number="{n}">{"".join(_attributes(item or {}))}</Item>'
            for n, item in enumerate(values, 1)
        )
    if element["vr"] == "PN":
        return "".join(
            f'<PersonName number="{n}">{_name(name or {})}</PersonName>'
            for n, name in enumerate(values, 1)
        )
    return "".join(
        f'<Value number="{n}">{"" if value is None else _text(str(value))}</Value>'
        for n, value in enumerate(values, 1)
    )


def _name(groups: dict[str, str]) -> str:
    """The component groups in their order, the components of each by name."""
    return "".join(
        f"<{group}>"
        + "".join(
            f"<{component}>{_text(part)}</{component}>"
            for component, part in zip(_COMPONENTS, groups[group].split("^"), strict=False)
            if part
        )
        + f"</{group}>"
        for group in ("Alphabetic", "Ideographic", "Phonetic")
        if groups.get(group)
    )


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("\ufffd", text), {"\r": "&#13;"})


def _quoted(text: Any) -> str:
    return quoteattr(_UNWRITABLE.sub("\ufffd", str(text)))
