"""Templates and phrases: kept in versions, proposed by what was examined, changed by who may.

The starting set (starting/) is loaded once, into a database that has none.
"""

import tomllib
import uuid
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.reading.errors import Unknown
from dicomweb_server.reading.outbox import now_us
from dicomweb_server.reading.template import Phrase, Template, phrase_of, template_of
from dicomweb_server.reading.template_tables import PhraseRow, TemplateRow
from dicomweb_server.records.database import Database

Row = TypeVar("Row", TemplateRow, PhraseRow)

SIMILAR = (
    frozenset({"HEAD", "BRAIN", "SKULL"}),
    frozenset({"LSPINE", "LUMBAR SPINE", "SPINE", "LSSPINE"}),
    frozenset({"CSPINE", "CERVICAL SPINE", "SPINE"}),
    frozenset({"ABDOMEN", "ABDOMENPELVIS", "LIVER"}),
    frozenset({"CHEST", "LUNG", "THORAX"}),
    frozenset({"NECK", "THYROID"}),
)
"""Body Part Examined (PS3.16 Annex L) as devices say it for the same examination."""

MODALITIES = {"DX": "CR", "CR": "DX"}
"""Modalities whose examinations are the same to who reports them."""


def add_template(session: Session, caller: Caller, said: Mapping[str, Any]) -> Template:
    """The first version of a new template. Raises Denied, Refused."""
    caller.permit(Act.TEMPLATES)
    template = template_of(said, template_id=str(uuid.uuid4()), version=1)
    _write(session, caller, template, "template.create")
    return template


def change_template(
    session: Session, caller: Caller, template_id: str, said: Mapping[str, Any]
) -> Template:
    """A new version; those before stay. Raises Denied, Refused, Unknown."""
    caller.permit(Act.TEMPLATES)
    before = template(session, template_id)
    after = template_of(said, template_id=template_id, version=before.version + 1)
    _write(session, caller, after, "template.change")
    return after


def template(session: Session, template_id: str, version: int | None = None) -> Template:
    """A version of a template, the newest when none is named. Raises Unknown."""
    rows = sa.select(TemplateRow).where(TemplateRow.template_id == template_id)
    if version is not None:
        rows = rows.where(TemplateRow.version == version)
    row = session.scalars(rows.order_by(TemplateRow.version.desc()).limit(1)).first()
    if row is None:
        raise Unknown("template", template_id if version is None else f"{template_id}@{version}")
    return _template(row)


def referred_template(session: Session, reference: str) -> Template | None:
    """What `Content.template` names; None for none, and for one that is not known here."""
    template_id, _, version = reference.partition("@")
    if not template_id or not version.isdecimal():
        return None
    try:
        return template(session, template_id, int(version[:9]))
    except Unknown:
        return None


def templates(
    session: Session,
    caller: Caller,
    *,
    modality: str = "",
    body_part: str = "",
    language: str = "",
    procedure: str = "",
    status: str = "",
) -> list[Template]:
    """The newest versions: those for an examination, the closest first, when one is described (only
    ACTIVE ones, unless `status` says otherwise); else all, by title. Raises Denied."""
    caller.permit(Act.READ_REPORTS)
    asked = bool(modality or body_part or procedure)
    wanted = status or ("ACTIVE" if asked else "")
    found = [_template(row) for row in _newest(session, TemplateRow, TemplateRow.template_id)]
    found = [
        each
        for each in found
        if wanted in ("", each.status) and _language_fits(each.language, language)
    ]
    if not asked:
        return sorted(found, key=lambda each: (each.language, each.modality, each.title))
    scored = [(_closeness(each, modality, body_part, procedure), each) for each in found]
    scored = [(score, each) for score, each in scored if score >= 0]
    return [each for _, each in sorted(scored, key=lambda pair: (-pair[0], pair[1].title))]


def add_phrase(session: Session, caller: Caller, said: Mapping[str, Any]) -> Phrase:
    """As `add_template`."""
    caller.permit(Act.TEMPLATES)
    phrase = phrase_of(said, phrase_id=str(uuid.uuid4()), version=1)
    _write_phrase(session, caller, phrase, "phrase.create")
    return phrase


def change_phrase(
    session: Session, caller: Caller, phrase_id: str, said: Mapping[str, Any]
) -> Phrase:
    """As `change_template`."""
    caller.permit(Act.TEMPLATES)
    before = _phrase_row(session, phrase_id)
    phrase = phrase_of(said, phrase_id=phrase_id, version=before.version + 1)
    _write_phrase(session, caller, phrase, "phrase.change")
    return phrase


def retire_phrase(session: Session, caller: Caller, phrase_id: str) -> None:
    """It is offered no more. Raises Denied, Unknown."""
    caller.permit(Act.TEMPLATES)
    before = _phrase(_phrase_row(session, phrase_id))
    after = phrase_of(before.as_json(), phrase_id=phrase_id, version=before.version + 1)
    _write_phrase(session, caller, after, "phrase.retire", status="RETIRED")


def phrases(
    session: Session,
    caller: Caller,
    *,
    modality: str = "",
    body_part: str = "",
    language: str = "",
    section: str = "",
) -> list[Phrase]:
    """Those that fit, the newest version of each, by section and title. Raises Denied."""
    caller.permit(Act.READ_REPORTS)
    found = [
        _phrase(row)
        for row in _newest(session, PhraseRow, PhraseRow.phrase_id)
        if row.status == "ACTIVE"
    ]
    return sorted(
        (
            each
            for each in found
            if _language_fits(each.language, language)
            and section in ("", each.section)
            and _modality_fits(each.modality, modality)
            and (not body_part or not each.body_part or _similar(each.body_part, body_part))
        ),
        key=lambda each: (each.section, each.title),
    )


def load_starting_set(database: Database) -> int:
    """Loads the templates and phrases that the program brings, where there are none; says how many
    were loaded. Several processes may ask at once: one loads."""

    def load(session: Session) -> int:
        if session.scalar(sa.select(TemplateRow.template_id).limit(1)) is not None:
            return 0
        made: list[Template] = []
        for name, said in starting_set("templates"):
            made.append(template_of(said, template_id=name, version=1))
            session.add(_template_row(made[-1], SYSTEM))
        count = len(made)
        for name, said in starting_set("phrases"):
            session.add(_phrase_as_row(phrase_of(said, phrase_id=name, version=1), SYSTEM))
            count += 1
        record(session, SYSTEM, Event("template.load", "starting set", detail={"count": count}))
        return count

    with database.read() as session:
        if session.scalar(sa.select(TemplateRow.template_id).limit(1)) is not None:
            return 0
    return database.writing(load)


def starting_set(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and description of each template or phrase that the program brings."""
    found = []
    for file in sorted(files("dicomweb_server.reading").joinpath("starting").iterdir(), key=str):
        if file.name.startswith(kind) and file.name.endswith(".toml"):
            for name, said in tomllib.loads(file.read_text(encoding="utf-8")).items():
                if "sections" in said:
                    texts = said["sections"].items()
                    said["sections"] = {code: text.strip() for code, text in texts}
                found.append((name, said))
    return found


# --- what fits ------------------------------------------------------------------------------------


def _closeness(each: Template, modality: str, body_part: str, procedure: str) -> int:
    """How well a template fits an examination; below 0: not at all."""
    if not _modality_fits(each.modality, modality):
        return -1
    score = 1 if each.modality else 0
    if each.body_part and body_part:
        if not _similar(each.body_part, body_part):
            return -1
        score += 4 if each.body_part == body_part.upper() else 3
    if each.procedure and procedure:
        if each.procedure != procedure:
            return -1
        score += 8
    return score


def _modality_fits(own: str, asked: str) -> bool:
    asked = asked.upper()
    return not own or not asked or own in (asked, MODALITIES.get(asked))


def _similar(own: str, asked: str) -> bool:
    asked = asked.upper()
    return own == asked or any(own in parts and asked in parts for parts in SIMILAR)


def _language_fits(own: str, asked: str) -> bool:
    """zh takes zh-CN, and zh-CN takes zh (RFC 4647 §3.3.2)."""
    own, asked = own.lower(), asked.lower()
    return not asked or own == asked or own.startswith(asked + "-") or asked.startswith(own + "-")


# --- rows -----------------------------------------------------------------------------------------


def _newest(session: Session, row: type[Row], identity: Any) -> list[Row]:
    newest = sa.select(identity, sa.func.max(row.version).label("version")).group_by(identity)
    last = newest.subquery()
    return list(
        session.scalars(
            sa.select(row).join(last, sa.and_(identity == last.c[0], row.version == last.c.version))
        )
    )


def _write(session: Session, caller: Caller, template: Template, action: str) -> None:
    session.add(_template_row(template, caller))
    detail = {"version": template.version, "status": template.status, "title": template.title}
    record(session, caller, Event(action, template.template_id, detail=detail))


def _write_phrase(
    session: Session, caller: Caller, phrase: Phrase, action: str, *, status: str = "ACTIVE"
) -> None:
    session.add(_phrase_as_row(phrase, caller, status=status))
    detail = {"version": phrase.version, "title": phrase.title}
    record(session, caller, Event(action, phrase.phrase_id, detail=detail))


def _template_row(template: Template, caller: Caller) -> TemplateRow:
    said = template.as_json()
    said["sections"] = orjson.dumps(said["sections"]).decode()
    said["fields"] = orjson.dumps(said["fields"]).decode()
    return TemplateRow(**said, written_by=caller.name, written_us=now_us())


def _phrase_as_row(phrase: Phrase, caller: Caller, *, status: str = "ACTIVE") -> PhraseRow:
    said = phrase.as_json()
    return PhraseRow(**said, status=status, written_by=caller.name, written_us=now_us())


def _phrase_row(session: Session, phrase_id: str) -> PhraseRow:
    rows = sa.select(PhraseRow).where(PhraseRow.phrase_id == phrase_id)
    row = session.scalars(rows.order_by(PhraseRow.version.desc()).limit(1)).first()
    if row is None or row.status == "RETIRED":
        raise Unknown("phrase", phrase_id)
    return row


def _template(row: TemplateRow) -> Template:
    return template_of(
        {
            "status": row.status,
            "language": row.language,
            "title": row.title,
            "modality": row.modality,
            "body_part": row.body_part,
            "procedure": row.procedure,
            "sections": orjson.loads(row.sections),
            "fields": orjson.loads(row.fields),
        },
        template_id=row.template_id,
        version=row.version,
    )


def _phrase(row: PhraseRow) -> Phrase:
    return Phrase(
        phrase_id=row.phrase_id,
        version=row.version,
        language=row.language,
        shortcut=row.shortcut,
        title=row.title,
        text=row.text,
        section=row.section,
        modality=row.modality,
        body_part=row.body_part,
    )
