"""A structured report as a text that can be read: the content tree (PS3.3 §C.17.3), as HTML or
plain text. Everything in it is data: nothing of it is taken for markup."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from dicomweb_server.dicom.lookup_tables import Json

DEPTH_LIMIT = 100
"""Levels of the tree that are written."""

_HEADER = (
    ("00100010", "Patient"),
    ("00100020", "Patient ID"),
    ("00100030", "Born"),
    ("00100040", "Sex"),
    ("00080020", "Study date"),
    ("00080050", "Accession number"),
    ("00081030", "Study"),
    ("00080080", "Institution"),
    ("0040A491", "Completion"),
    ("0040A493", "Verification"),
)
_STYLE = (
    "body{font:16px/1.45 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem 1rem}dt{color:#666}dd{margin:0}"
    "ul{list-style:none;padding-left:1.2rem}p{white-space:pre-wrap;margin:.2rem 0}"
)


@dataclass(frozen=True, slots=True)
class Node:
    """One content item: what it is about, what it says, and how deep in the tree it lies."""

    name: str
    value: str
    depth: int


def is_report(document: Json) -> bool:
    """Whether an instance has a content tree at its root."""
    return bool(_values(document, "0040A040")) and "0040A730" in document


def nodes(document: Json, depth: int = 0) -> Iterator[Node]:
    """The content items in the order they are read, the title first."""
    yield Node(_name(document), _value(document), depth)
    if depth < DEPTH_LIMIT:
        for item in _values(document, "0040A730"):
            if isinstance(item, dict):
                yield from nodes(item, depth + 1)


def as_text(document: Json) -> str:
    """Plain text, two spaces a level."""
    lines = [f"{name}: {value}" for name, value in _header(document)]
    lines.append("")
    for node in nodes(document):
        said = f"{node.name}: {node.value}" if node.name and node.value else node.name or node.value
        indent = "  " * node.depth
        lines += [indent + line for line in (said.splitlines() or [""])]
    return "\n".join(lines) + "\n"


def as_html(document: Json) -> str:
    """A page on its own."""
    title = escape(_name(document) or "Report")
    header = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in _header(document))
    body: list[str] = []
    level = 0
    for node in nodes(document):
        if node.depth == 0:
            continue
        while level < node.depth:
            body.append("<ul>")
            level += 1
        while level > node.depth:
            body.append("</ul>")
            level -= 1
        name = f"<b>{escape(node.name)}</b>" if node.name else ""
        value = f"<p>{escape(node.value)}</p>" if node.value else ""
        body.append(f"<li>{name}{value}</li>")
    body.append("</ul>" * level)
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><dl>{header}</dl>"
        f"{''.join(body)}</body></html>\n"
    )


def _header(document: Json) -> Iterator[tuple[str, str]]:
    for tag, label in _HEADER:
        if text := _text(document, tag):
            yield label, text


def _name(item: Json) -> str:
    return next((_text(code, "00080104") for code in _items(item, "0040A043")), "")


def _value(item: Json) -> str:
    """What a content item says, by its Value Type (PS3.3 §C.17.3.2.1)."""
    match _text(item, "0040A040"):
        case "TEXT":
            return _text(item, "0040A160")
        case "CODE":
            return next((_text(code, "00080104") for code in _items(item, "0040A168")), "")
        case "NUM":
            return "; ".join(_measured(each) for each in _items(item, "0040A300"))
        case "DATETIME":
            return _text(item, "0040A120")
        case "DATE":
            return _text(item, "0040A121")
        case "TIME":
            return _text(item, "0040A122")
        case "PNAME":
            return _text(item, "0040A123")
        case "UIDREF":
            return _text(item, "0040A124")
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            return "; ".join(_referred(each) for each in _items(item, "00081199"))
        case "SCOORD" | "SCOORD3D":
            return f"{_text(item, '00700023')} {_joined(item, '00700022')}".strip()
        case "TCOORD":
            return _text(item, "0040A130")
        case _:
            return ""


def _measured(item: Json) -> str:
    unit = next((_text(code, "00080100") for code in _items(item, "004008EA")), "")
    return f"{_joined(item, '0040A30A')} {unit if unit != '1' else ''}".strip()


def _referred(item: Json) -> str:
    frames = _joined(item, "00081160")
    return _text(item, "00081155") + (f" frame {frames}" if frames else "")


def _text(document: Json, tag: str) -> str:
    """The first value; of a name its groups, the alphabetic last."""
    value = next(iter(_values(document, tag)), "")
    if isinstance(value, dict):
        groups = (value.get(key) for key in ("Ideographic", "Phonetic", "Alphabetic"))
        value = " / ".join(" ".join(filter(None, str(g).split("^"))) for g in groups if g)
    return "" if value is None else str(value).strip()


def _joined(document: Json, tag: str) -> str:
    return ", ".join(str(value) for value in _values(document, tag))


def _items(document: Json, tag: str) -> list[Json]:
    return [value for value in _values(document, tag) if isinstance(value, dict)]


def _values(document: Json, tag: str) -> list[Any]:
    return document.get(tag, {}).get("Value") or []
