"""What differs between two texts of a report (REP-20): word by word, Chinese by character."""

import difflib
import re
from typing import Any

from dicomweb_server.reading.content import SECTIONS, Content
from dicomweb_server.reading.content_json import as_json

_PIECES = re.compile(r"[0-9A-Za-z]+|\s+|.", re.DOTALL)
_MOST_PIECES = 20_000
"""Beyond, a section is compared line by line: comparing takes the square of it."""


def differences(old: Content, new: Content) -> dict[str, Any]:
    """{"sections": {code: [[mark, text], ...]}, "fields": {name: [old, new]}}: marks are = kept,
    - taken out, + put in; sections that are the same are left out, and so is what else is."""
    sections = {
        code: _compared(old.sections.get(code, ""), new.sections.get(code, ""))
        for code in SECTIONS
        if old.sections.get(code, "") != new.sections.get(code, "")
    }
    before, after = as_json(old), as_json(new)
    fields: dict[str, Any] = {
        name: [before["fields"].get(name), after["fields"].get(name)]
        for name in sorted(before["fields"].keys() | after["fields"].keys())
        if before["fields"].get(name) != after["fields"].get(name)
    }
    fields |= {
        name: [before[name], after[name]]
        for name in before
        if name not in ("sections", "fields") and before[name] != after[name]
    }
    return {"sections": sections, "fields": fields}


def _compared(old: str, new: str) -> list[list[str]]:
    before, after = _PIECES.findall(old), _PIECES.findall(new)
    if len(before) + len(after) > _MOST_PIECES:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    found: list[list[str]] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found.append(["=", "".join(before[a:b])])
            continue
        if a < b:
            found.append(["-", "".join(before[a:b])])
        if c < d:
            found.append(["+", "".join(after[c:d])])
    return found
