"""What templates and phrases are, and what is refused as one (REP-11, REP-12, REP-13)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dicomweb_server.reading.content import SECTIONS
from dicomweb_server.reading.errors import Refused

STATUSES = ("DRAFT", "ACTIVE", "RETIRED")
FIELD_TYPES = ("text", "number", "choice", "choices", "date", "time", "flag")

TEXT_LIMIT = 20_000
"""Characters of a section or phrase."""

FIELD_LIMIT = 200
CHOICE_LIMIT = 200

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Field:
    """A structured finding that a template asks for.

    type     one of FIELD_TYPES; "choice" takes one of `choices`, "choices" several
    section  code of the section it belongs to
    unit     UCUM, of a number
    default  text, number, list of texts or true/false; None for none
    """

    name: str
    label: str
    type: str = "text"
    section: str = "findings"
    choices: tuple[str, ...] = ()
    unit: str = ""
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a template.

    modality, body_part  DICOM's terms (CS), "" for any
    procedure            code of the procedure it is for, "" for any
    sections             default text by section code
    """

    template_id: str
    version: int
    status: str
    language: str
    title: str
    modality: str = ""
    body_part: str = ""
    procedure: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    @property
    def reference(self) -> str:
        """What `Content.template` says of a report that was begun from it."""
        return f"{self.template_id}@{self.version}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text that is written often: inserted by its shortcut into its section, "" for any."""

    phrase_id: str
    version: int
    language: str
    shortcut: str
    title: str
    text: str
    section: str = ""
    modality: str = ""
    body_part: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def template_of(said: Mapping[str, Any], *, template_id: str, version: int) -> Template:
    """The template that a client or a file describes. Raises Refused, naming the field."""
    _only(
        said,
        "",
        "template_id",
        "version",
        "status",
        "language",
        "title",
        "modality",
        "body_part",
        "procedure",
        "sections",
        "fields",
    )
    sections = said.get("sections", {})
    if not isinstance(sections, dict):
        raise malformed("sections", "is no object")
    for code in sections:
        if code not in SECTIONS:
            raise malformed("sections", f"{code[:40]!r} is none of {', '.join(SECTIONS)}")
    fields = said.get("fields", [])
    if not isinstance(fields, list) or len(fields) > FIELD_LIMIT:
        raise malformed("fields", f"is no list of at most {FIELD_LIMIT}")
    made = tuple(_field(each, f"fields[{n}]") for n, each in enumerate(fields))
    names = [each.name for each in made]
    for name in names:
        if names.count(name) > 1:
            raise malformed("fields", f"has two fields called {name}")
    return Template(
        template_id=template_id,
        version=version,
        status=_one_of(said, "status", STATUSES, "DRAFT"),
        language=_language(said),
        title=_text(said, "title", 200, required=True),
        modality=_text(said, "modality", 16).upper(),
        body_part=_text(said, "body_part", 64).upper(),
        procedure=_text(said, "procedure", 64),
        sections={code: _text(sections, code, TEXT_LIMIT, within="sections") for code in sections},
        fields=made,
    )


def phrase_of(said: Mapping[str, Any], *, phrase_id: str, version: int) -> Phrase:
    """As `template_of`."""
    _only(
        said,
        "",
        "phrase_id",
        "version",
        "language",
        "shortcut",
        "title",
        "section",
        "text",
        "modality",
        "body_part",
    )
    return Phrase(
        phrase_id=phrase_id,
        version=version,
        language=_language(said),
        shortcut=_text(said, "shortcut", 40),
        title=_text(said, "title", 200, required=True),
        text=_text(said, "text", TEXT_LIMIT, required=True),
        section=_one_of(said, "section", ("", *SECTIONS), ""),
        modality=_text(said, "modality", 16).upper(),
        body_part=_text(said, "body_part", 64).upper(),
    )


def _field(said: Any, where: str) -> Field:
    if not isinstance(said, dict):
        raise malformed(where, "is no object")
    _only(said, where, "name", "label", "type", "section", "choices", "unit", "default", "required")
    name = _text(said, "name", 64, within=where, required=True)
    if not _NAME.fullmatch(name):
        raise malformed(
            f"{where}.name", f"{name!r} is no name: a letter, then letters, digits, . _ -"
        )
    kind = _one_of(said, "type", FIELD_TYPES, "text", within=where)
    choices = said.get("choices", [])
    if (
        not isinstance(choices, list | tuple)
        or len(choices) > CHOICE_LIMIT
        or not all(isinstance(each, str) and 0 < len(each) <= 200 for each in choices)
    ):
        raise malformed(f"{where}.choices", f"is no list of at most {CHOICE_LIMIT} texts")
    if kind.startswith("choice") != bool(choices):
        raise malformed(f"{where}.choices", f"{kind} and {len(choices)} choices do not go together")
    default = said.get("default")
    if default is not None and not _DEFAULTS[kind](default):
        raise malformed(f"{where}.default", f"{str(default)[:40]!r} is no {kind}")
    if kind.startswith("choice") and default is not None:
        for each in [default] if kind == "choice" else default:
            if each not in choices:
                raise malformed(f"{where}.default", f"{each[:40]!r} is none of the choices")
    return Field(
        name=name,
        label=_text(said, "label", 200, within=where) or name,
        type=kind,
        section=_one_of(said, "section", SECTIONS, "findings", within=where),
        choices=tuple(choices),
        unit=_text(said, "unit", 16, within=where),
        default=tuple(default) if isinstance(default, list) else default,
        required=said.get("required") is True,
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_LIMIT


_DEFAULTS: dict[str, Callable[[Any], bool]] = {
    "text": _is_text,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "choice": _is_text,
    "choices": lambda value: isinstance(value, list | tuple) and all(map(_is_text, value)),
    "date": _is_text,
    "time": _is_text,
    "flag": lambda value: isinstance(value, bool),
}


def malformed(where: str, why: str) -> Refused:
    return Refused("malformed", f"{where} {why}", field=where)


def _only(said: Mapping[str, Any], where: str, *known: str) -> None:
    for name in said.keys() - set(known):
        raise malformed(f"{where}.{name[:40]}".lstrip("."), "is nothing that is known here")


def _text(
    said: Mapping[str, Any], name: str, limit: int, *, within: str = "", required: bool = False
) -> str:
    where = f"{within}.{name}".lstrip(".")
    text = said.get(name, "")
    if not isinstance(text, str):
        raise malformed(where, "is no text")
    if len(text) > limit:
        raise malformed(where, f"has {len(text)} characters, the limit is {limit}")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise malformed(where, "has a character that no text can have")
    if required and not text.strip():
        raise malformed(where, "is missing or empty")
    return text


def _one_of(
    said: Mapping[str, Any], name: str, known: tuple[str, ...], default: str, *, within: str = ""
) -> str:
    text = said.get(name, default)
    if text not in known:
        where = f"{within}.{name}".lstrip(".")
        raise malformed(where, f"{str(text)[:40]!r} is none of {', '.join(filter(None, known))}")
    return str(text)


def _language(said: Mapping[str, Any]) -> str:
    text = _text(said, "language", 16, required=True)
    if not _LANGUAGE.fullmatch(text):
        raise malformed("language", f"{text!r} is no language tag (RFC 5646), as zh-CN is")
    return text
