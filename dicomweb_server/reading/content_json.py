"""A report's content as JSON: what clients send and are given. Unknown members are refused, so that
nothing that was typed is dropped without a word."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.reading.content import SECTIONS, Content, ImageReference, MeasurementReference
from dicomweb_server.reading.errors import Refused

SECTION_CHARACTERS = 200_000
CHARACTERS = 10_000
"""Of a text that is no section."""
ITEMS = 2_000
"""Members of an object, items of a list."""
_EXACT = 2**53
"""RFC 8785 §3.2.2.3: numbers beyond are no longer themselves."""

_MEMBERS = frozenset(asdict(Content()))


def as_json(content: Content) -> dict[str, Any]:
    """What `content_of` reads."""
    return asdict(content)


def content_of(document: Any) -> Content:
    """The content that a JSON object is. Raises Refused ("malformed") naming the member."""
    members = _object("content", document)
    if unknown := sorted(members.keys() - _MEMBERS):
        raise _malformed(unknown[0], "is no member of a content")
    sections = _object("sections", members.get("sections", {}))
    for code in sections:
        if code not in SECTIONS:
            raise _malformed(f"sections.{code}"[:80], f"is none of {', '.join(SECTIONS)}")
    positive = members.get("positive")
    if positive is not None and not isinstance(positive, bool):
        raise _malformed("positive", "is not true, false or null")
    return Content(
        template=_text("template", members.get("template", ""), 200),
        language=_text("language", members.get("language", "zh-CN"), 35),
        sections={
            code: _text(f"sections.{code}", text, SECTION_CHARACTERS)
            for code, text in sections.items()
        },
        fields={
            _text("fields", name, 200): _field(f"fields.{name}"[:80], value)
            for name, value in _object("fields", members.get("fields", {})).items()
        },
        key_images=tuple(
            _image(f"key_images[{n}]", each)
            for n, each in enumerate(_list("key_images", members.get("key_images", [])))
        ),
        measurements=tuple(
            _measurement(f"measurements[{n}]", each)
            for n, each in enumerate(_list("measurements", members.get("measurements", [])))
        ),
        comparisons=tuple(
            _uid(f"comparisons[{n}]", each)
            for n, each in enumerate(_list("comparisons", members.get("comparisons", [])))
        ),
        positive=positive,
        difficult=_flag("difficult", members.get("difficult", False)),
        overrides={
            _text("overrides", rule, 200): _text(f"overrides.{rule}"[:80], reason, CHARACTERS)
            for rule, reason in _object("overrides", members.get("overrides", {})).items()
        },
    )


def merged(document: Any, patch: Any) -> Any:
    """RFC 7396: `patch` applied to `document`."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _image(where: str, value: Any) -> ImageReference:
    members = _only(where, value, ImageReference)
    frame_number = members.get("frame_number", 0)
    if not isinstance(frame_number, int) or isinstance(frame_number, bool) or frame_number < 0:
        raise _malformed(f"{where}.frame_number", "is no number from 0 on")
    return ImageReference(
        study_uid=_uid(f"{where}.study_uid", members.get("study_uid")),
        series_uid=_uid(f"{where}.series_uid", members.get("series_uid")),
        instance_uid=_uid(f"{where}.instance_uid", members.get("instance_uid")),
        sop_class_uid=_uid(f"{where}.sop_class_uid", members.get("sop_class_uid")),
        frame_number=frame_number,
        note=_text(f"{where}.note", members.get("note", ""), CHARACTERS),
    )


def _measurement(where: str, value: Any) -> MeasurementReference:
    members = _only(where, value, MeasurementReference)
    image = members.get("image")
    return MeasurementReference(
        tracking_uid=_uid(f"{where}.tracking_uid", members.get("tracking_uid")),
        label=_text(f"{where}.label", members.get("label", ""), CHARACTERS),
        kind=_text(f"{where}.kind", members.get("kind"), 100),
        value=float(_number(f"{where}.value", members.get("value"))),
        unit=_text(f"{where}.unit", members.get("unit"), 100),
        image=None if image is None else _image(f"{where}.image", image),
    )


def _only(where: str, value: Any, kind: type) -> Mapping[str, Any]:
    members = _object(where, value)
    if unknown := sorted(members.keys() - set(kind.__dataclass_fields__)):  # type: ignore[attr-defined]
        raise _malformed(f"{where}.{unknown[0]}"[:80], "is no member there")
    return members


def _field(where: str, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(where, value, CHARACTERS)
    if isinstance(value, int | float):
        return _number(where, value)
    if isinstance(value, list):
        return [
            _text(f"{where}[{n}]", one, CHARACTERS) for n, one in enumerate(_list(where, value))
        ]
    raise _malformed(where, "is no text, number, true, false or list of texts")


def _number(where: str, value: Any) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise _malformed(where, "is no number")
    if abs(value) >= _EXACT:
        raise _malformed(where, f"is beyond {_EXACT}")
    return value


def _uid(where: str, value: Any) -> str:
    if not isinstance(value, str) or not is_uid(value):
        raise _malformed(where, "is no UID")
    return value


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _malformed(where, "is not true or false")
    return value


def _text(where: str, value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise _malformed(where, "is no text")
    if len(value) > limit:
        raise _malformed(where, f"has {len(value)} characters, {limit} are the most")
    if "\x00" in value:
        raise _malformed(where, "holds a NUL")
    return value


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(where, "is no object")
    if len(value) > ITEMS:
        raise _malformed(where, f"has {len(value)} members, {ITEMS} are the most")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _malformed(where, "is no list")
    if len(value) > ITEMS:
        raise _malformed(where, f"has {len(value)} items, {ITEMS} are the most")
    return list(value)


def _malformed(field: str, reason: str) -> Refused:
    return Refused("malformed", f"{field} {reason}", field=field)
