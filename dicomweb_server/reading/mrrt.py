"""Report templates as IHE has them: MRRT (Management of Radiology Report Templates, Rev. 1.6), that
is HTML5 with Dublin Core metadata, a `template_attributes` block and form fields in sections.

What is read of such a file are names, texts and fields. Nothing of its markup is kept: scripts,
event handlers, styles and references to elsewhere are passed over, and what is written again is
written by this module.
"""

import re
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import Any

from dicomweb_server.reading.evaluators import TITLES
from dicomweb_server.reading.template import CHOICE_LIMIT, FIELD_LIMIT, Field, Template, malformed

BYTES_LIMIT = 256 * 1024
DEPTH_LIMIT = 200

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta",
                   "source", "track", "wbr"})  # fmt: skip
_UNREAD = frozenset({"style", "iframe", "object", "embed", "noscript", "svg", "template"})
_BREAKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "section"})

_SECTIONS = (
    ("recommendation", r"recommend|follow-?up|建议"),
    ("impression", r"impression|conclusion|summary|印象|结论|诊断"),
    ("comparison", r"comparison|prior|previous|对比|既往检查"),
    ("technique", r"technique|procedure|protocol|contrast|检查技术|检查方法"),
    ("history", r"history|indication|clinical|病史|临床"),
    ("addendum", r"addendum|补充"),
    ("findings", r""),
)
"""Which section a name of MRRT's means; what none of them is, is a finding."""

_MODALITIES = (
    ("MG", r"mammo|乳腺X线|钼靶"),
    ("PT", r"\bPET\b"),
    ("CT", r"\bCTA?\b|computed tomography"),
    ("MR", r"\bMR[IA]?\b|magnetic resonance|磁共振"),
    ("US", r"\bUS\b|ultraso|sonogra|超声"),
    ("DX", r"\bXR\b|\bDR\b|x-?ray|radiograph|X线"),
    ("NM", r"nuclear|scintigra|核医学"),
)
_TYPES = {
    "text": "text",
    "number": "number",
    "date": "date",
    "time": "time",
    "checkbox": "flag",
    "radio": "choice",
}


@dataclass(slots=True)
class _Input:
    """A form field while it is read."""

    name: str
    label: str
    type: str
    section: str
    choices: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    unit: str = ""
    text: str = ""
    required: bool = False


class _Reader(HTMLParser):
    """The values of one MRRT file, in document order. Never deeper than its list of open tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: dict[str, str] = {}
        self.title = ""
        self.language = ""
        self.attributes = ""
        self.texts: dict[str, list[str]] = {}
        self.inputs: list[_Input] = []
        self.labels: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._open: list[str] = []
        self._sections: list[str] = []
        self._input: _Input | None = None
        self._label_of: str | None = None
        self._text_label = ""
        self._option: list[str] | None = None
        self._option_chosen = False

    # --- tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            if len(self._open) == DEPTH_LIMIT:
                raise malformed("body", f"has tags in more than {DEPTH_LIMIT} others")
            self._open.append(tag)
        if tag == "html":
            self.language = said.get("lang", self.language)
        elif tag == "meta" and "name" in said:
            self.meta[said["name"].lower()] = said.get("content", "")
        elif tag == "section":
            self._sections.append(_section(said.get("data-section-name") or said.get("id", "")))
        elif tag == "label":
            self._label_of, self._text_label = said.get("for", ""), ""
        elif tag in ("input", "textarea", "select"):
            self._begin_input(tag, said)
        elif tag == "option":
            self._option = []
            self._option_chosen = "selected" in said
        elif tag in _BREAKS:
            self._say("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            return
        while self._open and self._open.pop() != tag:
            pass
        if tag == "section" and self._sections:
            self._sections.pop()
        elif tag == "label" and self._label_of is not None:
            self.labels[self._label_of] = _one_line(self._text_label).rstrip(":：")
            self._label_of = None
        elif tag == "option":
            self._end_option()
        elif tag in ("select", "textarea"):
            self._input = None
        elif tag in _BREAKS:
            self._say("\n")

    def handle_data(self, text: str) -> None:
        inner = self._open[-1] if self._open else ""
        if inner == "script":
            if "template_attributes" in text:
                self.attributes += text
        elif inner == "title":
            self.title += text
        elif any(tag in _UNREAD for tag in self._open) or "head" in self._open:
            return
        elif self._option is not None:
            self._option.append(text)
        elif self._input is not None and inner == "textarea":
            self._input.text += text
        elif self._label_of is not None:
            self._text_label += text
        elif inner != "header":
            self._say(text)

    # --- fields

    def _begin_input(self, tag: str, said: dict[str, str]) -> None:
        kind = said.get("type", "text").lower()
        if kind in ("submit", "button", "reset", "image", "hidden", "file", "password"):
            return
        name = said.get("name") or said.get("id", "")
        type_ = _TYPES.get(kind, "text") if tag == "input" else "text"
        if tag == "select":
            type_ = "choices" if "multiple" in said else "choice"
        made = _Input(
            name=name,
            label=said.get("id", ""),
            type=type_,
            section=self._section,
            unit=said.get("data-field-units", ""),
            required=said.get("data-field-completion-action", "").upper() == "ALERT",
        )
        if kind == "radio" and self._add_radio(made, said):
            return
        if tag == "input":
            made.text = "checked" if "checked" in said else said.get("value", "")
            if made.type == "flag":
                made.text = "checked" if "checked" in said else ""
        if len(self.inputs) == FIELD_LIMIT:
            raise malformed("fields", f"are more than {FIELD_LIMIT}")
        self.inputs.append(made)
        self._input = made if tag != "input" else None

    def _add_radio(self, made: _Input, said: dict[str, str]) -> bool:
        """Radio buttons of one name are one field; whether it was there already."""
        value = said.get("value", "") or said.get("id", "")
        known = next((i for i in self.inputs if i.name == made.name and i.type == "choice"), made)
        _add_choice(known, value)
        if "checked" in said:
            known.chosen.append(value)
        return known is not made

    def _end_option(self) -> None:
        if self._option is None or self._input is None:
            return
        text = _one_line("".join(self._option))
        self._option = None
        _add_choice(self._input, text)
        if text and self._option_chosen:
            self._input.chosen.append(text)

    # --- texts

    @property
    def _section(self) -> str:
        return next((each for each in reversed(self._sections) if each), "findings")

    def _say(self, text: str) -> None:
        if self._sections:
            self.texts.setdefault(self._section, []).append(text)


def _add_choice(field: _Input, choice: str) -> None:
    if choice and choice not in field.choices:
        if len(field.choices) == CHOICE_LIMIT:
            raise malformed("fields", f"{field.name[:40]!r} has more than {CHOICE_LIMIT} choices")
        field.choices.append(choice)


def template_from(html: bytes) -> dict[str, Any]:
    """An MRRT file, in UTF-8, as `template_of` reads templates. Raises Refused (malformed)."""
    if len(html) > BYTES_LIMIT:
        raise malformed("body", f"has {len(html)} bytes, a template has at most {BYTES_LIMIT}")
    try:
        text = html.decode()
    except UnicodeDecodeError as error:
        raise malformed("body", f"is not UTF-8 at byte {error.start}") from None
    if "<" in text[text.rfind(">") + 1 :]:
        # HTMLParser begins anew at each of many tags that nothing ends.
        raise malformed("body", "ends within a tag")
    reader = _Reader()
    try:
        reader.feed(text)
        reader.close()
    except AssertionError as error:  # how HTMLParser says that a declaration is none
        raise malformed("body", f"is no HTML: {str(error)[:80]}") from None
    if not reader.meta and not reader.attributes:
        raise malformed(
            "body", "is no MRRT template: it has neither metadata nor template_attributes"
        )
    title = _one_line(reader.meta.get("dcterms.title") or reader.title)
    sections, fields = _contents(reader)
    return {
        "title": title[:200],
        "language": (reader.meta.get("dcterms.language") or reader.language or "en")[:16],
        "status": _status(reader.attributes),
        "modality": _modality(f"{title} {reader.attributes}"),
        "body_part": _attribute(reader.attributes, "body-part"),
        "procedure": _attribute(reader.attributes, "procedure"),
        "sections": sections,
        "fields": fields,
    }


def _contents(reader: _Reader) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The default texts and the fields. A text field that is all there is in its section is the
    section's text; others are fields."""
    sections: dict[str, str] = {}
    for code, parts in reader.texts.items():
        if text := _tidy("".join(parts)):
            sections[code] = text
    fields: list[dict[str, Any]] = []
    names: set[str] = set()
    for each in reader.inputs:
        alone = sum(other.section == each.section for other in reader.inputs) == 1
        if alone and each.type == "text" and not sections.get(each.section):
            if text := _tidy(each.text):
                sections[each.section] = text
            continue
        fields.append(_field(each, reader.labels, names))
    return sections, fields


def _field(each: _Input, labels: dict[str, str], names: set[str]) -> dict[str, Any]:
    label = labels.get(each.label) or labels.get(each.name) or _one_line(each.name)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", each.name)[:56]
    if not re.match(r"[A-Za-z]", name):
        name = f"f_{name}"
    while name in names:
        stem, _, number = name.rpartition("-")
        name = f"{stem}-{int(number) + 1}" if number.isdecimal() and stem else f"{name}-2"
    names.add(name)
    kind = each.type if each.choices or not each.type.startswith("choice") else "text"
    made: dict[str, Any] = {
        "name": name,
        "label": label[:200] or name,
        "type": kind,
        "section": each.section,
        "required": each.required,
    }
    if kind.startswith("choice"):
        made["choices"] = [choice[:200] for choice in each.choices]
        chosen = [choice[:200] for choice in each.chosen]
        if chosen:
            made["default"] = chosen if kind == "choices" else chosen[0]
    elif kind == "number":
        made["unit"] = each.unit[:16]
        try:
            value = float(each.text)
            made["default"] = int(value) if value.is_integer() else value
        except (ValueError, OverflowError):
            pass
    elif kind == "flag":
        if each.text:
            made["default"] = True
    elif text := _tidy(each.text):
        made["default"] = text
    return made


def _section(name: str) -> str:
    return next(code for code, words in _SECTIONS if re.search(words, name, re.IGNORECASE))


def _modality(said: str) -> str:
    found = re.search(r"<modality>\s*([A-Z]{2,4})\s*</modality>", said)
    if found:
        return found[1]
    matches = (code for code, words in _MODALITIES if re.search(words, said, re.IGNORECASE))
    return next(matches, "")


def _status(attributes: str) -> str:
    found = re.search(r"<status>\s*([A-Za-z]+)\s*</status>", attributes)
    status = found[1].upper() if found else "DRAFT"
    return status if status in ("ACTIVE", "RETIRED") else "DRAFT"


def _attribute(attributes: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]{{1,64}})</{name}>", attributes)
    return _one_line(found[1]) if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    """Lines without blanks around them, none empty twice."""
    lines = [_one_line(line) for line in text.splitlines()]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


# --- and back -------------------------------------------------------------------------------------


def html_of(template: Template) -> str:
    """A template as an MRRT file."""
    chinese = template.language.lower().startswith("zh")
    body = []
    codes = [*template.sections, *(each.section for each in template.fields)]
    for code in dict.fromkeys(codes):
        title = TITLES[code][0 if chinese else 1]
        inner = [f'<header class="level1">{escape(title)}</header>']
        if text := template.sections.get(code, ""):
            inner += [f"<p>{escape(line)}</p>" for line in text.splitlines()]
        inner += [_control(each) for each in template.fields if each.section == code]
        name = TITLES[code][1]
        body.append(
            f'<section id="{code}" class="level1" data-section-name="{escape(name)}">\n'
            + "\n".join(inner)
            + "\n</section>"
        )
    meta = {
        "dcterms.title": template.title,
        "dcterms.identifier": template.reference,
        "dcterms.language": template.language,
        "dcterms.type": "IMAGE_REPORT_TEMPLATE",
        "dcterms.publisher": "dicomweb-server",
    }
    lines = [f'<meta name="{name}" content="{escape(value)}">' for name, value in meta.items()]
    attributes = "".join(
        f"    <{name}>{escape(value)}</{name}>\n"
        for name, value in (
            ("top-level-flag", "true"),
            ("status", template.status),
            ("modality", template.modality),
            ("body-part", template.body_part),
            ("procedure", template.procedure),
        )
        if value
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(template.language)}">\n<head>\n'
        f"<title>{escape(template.title)}</title>\n"
        '<meta charset="UTF-8">\n' + "\n".join(lines) + "\n"
        '<script type="text/xml">\n  <template_attributes>\n'
        f"{attributes}  </template_attributes>\n</script>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _control(each: Field) -> str:
    name = escape(each.name)
    common = f'id="{name}" name="{name}"'
    if each.required:
        common += ' data-field-completion-action="ALERT"'
    label = f'<label for="{name}">{escape(each.label)}</label> '
    if each.type.startswith("choice"):
        chosen = each.default if each.type == "choices" else (each.default,)
        options = "".join(
            f"<option{' selected' if choice in (chosen or ()) else ''}>{escape(choice)}</option>"
            for choice in each.choices
        )
        several = " multiple" if each.type == "choices" else ""
        return (
            f'{label}<select {common} data-field-type="SELECTION_LIST"{several}>{options}</select>'
        )
    if each.type == "flag":
        checked = " checked" if each.default else ""
        return f'{label}<input type="checkbox" {common} data-field-type="CHECKBOX"{checked}>'
    value = "" if each.default is None else f' value="{escape(str(each.default))}"'
    unit = f' data-field-units="{escape(each.unit)}"' if each.unit else ""
    kind = each.type.upper()
    return f'{label}<input type="{each.type}" {common} data-field-type="{kind}"{unit}{value}>'
