"""Templates and phrases on both databases: versions, proposals, the starting set."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dicomweb_server.access.caller import EVERYTHING, Act, Caller
from dicomweb_server.access.errors import Denied
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.reading.checks import check
from dicomweb_server.reading.content import Content, Exam
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.rule import Context
from dicomweb_server.reading.template import TEXT_LIMIT, template_of
from dicomweb_server.reading.template_tables import TemplateRow
from dicomweb_server.reading.templates import (
    add_phrase,
    add_template,
    change_phrase,
    change_template,
    load_starting_set,
    phrases,
    referred_template,
    retire_phrase,
    starting_set,
    template,
    templates,
)
from dicomweb_server.records.database import Database
from tests.reading.examples import EXAM, PATIENT

WHO = Caller("chief", EVERYTHING)
CHEST = {
    "title": "胸部",
    "language": "zh-CN",
    "status": "ACTIVE",
    "modality": "CT",
    "body_part": "CHEST",
    "sections": {"findings": "双肺清晰。"},
    "fields": [
        {"name": "size", "label": "大小", "type": "number", "unit": "mm", "required": True},
        {"name": "side", "label": "侧", "type": "choice", "choices": ["左", "右"], "default": "左"},
    ],
}


def test_a_change_is_a_new_version_and_those_before_stay(database: Database) -> None:
    with database.write() as session:
        first = add_template(session, WHO, CHEST)
        second = change_template(session, WHO, first.template_id, {**CHEST, "title": "新"})
    with database.read() as session:
        assert (first.version, second.version) == (1, 2)
        assert template(session, first.template_id) == second
        assert template(session, first.template_id, 1) == first
        assert referred_template(session, first.reference) == first
        assert referred_template(session, "") is None
        assert referred_template(session, f"{first.template_id}@9") is None
        assert [each.title for each in templates(session, WHO)] == ["新"]
        with pytest.raises(Unknown):
            template(session, "nothing")


def test_a_version_cannot_be_changed_in_the_database_either(database: Database) -> None:
    with database.write() as session:
        add_template(session, WHO, CHEST)
    with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
        session.execute(sa.update(TemplateRow).values(title="x"))


def test_every_change_is_an_event_of_the_audit(database: Database) -> None:
    with database.write() as session:
        made = add_template(session, WHO, CHEST)
        change_template(session, WHO, made.template_id, {**CHEST, "status": "RETIRED"})
        phrase = add_phrase(session, WHO, {"title": "p", "text": "t", "language": "en"})
        change_phrase(session, WHO, phrase.phrase_id, {"title": "p", "text": "u", "language": "en"})
        retire_phrase(session, WHO, phrase.phrase_id)
    with database.read() as session:
        actions = session.scalars(sa.select(AuditRow.action).order_by(AuditRow.seq)).all()
    assert [a for a in actions if a.startswith(("template", "phrase"))] == [
        "template.create",
        "template.change",
        "phrase.create",
        "phrase.change",
        "phrase.retire",
    ]


def test_who_may_not_change_templates_is_refused(database: Database) -> None:
    reader = Caller("reader", frozenset({Act.READ_REPORTS}))
    with database.write() as session:
        for refused in (
            lambda: add_template(session, reader, CHEST),
            lambda: add_phrase(session, reader, {}),
            lambda: templates(session, Caller("nobody much", frozenset())),
        ):
            with pytest.raises(Denied):
                refused()
        assert templates(session, reader) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"language": "Chinese!"}, "language"),
        ({"status": "OPEN"}, "status"),
        ({"sections": {"diagnosis": "x"}}, "sections"),
        ({"sections": {"findings": "x" * (TEXT_LIMIT + 1)}}, "sections.findings"),
        ({"sections": {"findings": "\ud800"}}, "sections.findings"),
        ({"sections": []}, "sections"),
        ({"fields": {}}, "fields"),
        ({"fields": [{"name": "1"}]}, "fields[0].name"),
        ({"fields": [{"name": "a", "type": "choice"}]}, "fields[0].choices"),
        ({"fields": [{"name": "a", "type": "number", "default": "x"}]}, "fields[0].default"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "fields"),
        ({"fields": [{"name": "a", "script": "x"}]}, "fields[0].script"),
        ({"onload": "x"}, "onload"),
    ],
)
def test_what_is_no_template_is_refused_by_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        template_of({**CHEST, **changes}, template_id="t", version=1)
    assert (refused.value.name, refused.value.field) == ("malformed", field)


def test_an_examination_is_proposed_what_was_made_for_it(database: Database) -> None:
    """REP-11."""
    assert load_starting_set(database) > 30
    with database.read() as session:

        def proposed(**said: str) -> list[str]:
            return [each.template_id for each in templates(session, WHO, **said)]

        assert proposed(modality="CT", body_part="CHEST", language="zh-CN") == [
            "zh-ct-chest",
            "zh-ct-chest-nodule",
        ]
        assert proposed(modality="MR", body_part="HEAD", language="en") == ["en-mr-brain"]
        assert proposed(modality="CR", body_part="CHEST", language="zh")[0] == "zh-dx-chest"
        assert "zh-dx-extremity" in proposed(modality="DX", body_part="WRIST", language="zh-CN")
        assert proposed(modality="CT", body_part="WRIST") == []
        shortcuts = [each.shortcut for each in phrases(session, WHO, language="zh-CN")]
        assert "fc6" in shortcuts
        chest = phrases(session, WHO, language="zh-CN", modality="CT", body_part="CHEST")
        assert {"xjj", "fc6"} <= {each.shortcut for each in chest}
        assert "zfg" not in {each.shortcut for each in chest}


def test_drafts_and_retired_ones_are_not_proposed(database: Database) -> None:
    with database.write() as session:
        draft = add_template(session, WHO, {**CHEST, "status": "DRAFT"})
        made = add_template(session, WHO, CHEST)
        assert templates(session, WHO, modality="CT") == [made]
        assert templates(session, WHO, modality="CT", status="DRAFT") == [draft]
        change_template(session, WHO, made.template_id, {**CHEST, "status": "RETIRED"})
        assert templates(session, WHO, modality="CT") == []


def test_the_starting_set_is_loaded_once(database: Database) -> None:
    count = load_starting_set(database)
    assert count == len(starting_set("templates")) + len(starting_set("phrases"))
    assert load_starting_set(database) == 0


def test_a_phrase_that_is_retired_is_offered_no_more(database: Database) -> None:
    with database.write() as session:
        made = add_phrase(session, WHO, {"title": "p", "text": "t", "language": "en"})
        assert phrases(session, WHO) == [made]
        retire_phrase(session, WHO, made.phrase_id)
        assert phrases(session, WHO) == []
        with pytest.raises(Unknown):
            retire_phrase(session, WHO, made.phrase_id)


@pytest.mark.parametrize("name", [name for name, _ in starting_set("templates")])
def test_no_rule_finds_anything_in_a_normal_report_as_a_template_has_it(name: str) -> None:
    said = dict(starting_set("templates"))[name]
    made = template_of(said, template_id=name, version=1)
    assert made.status == "ACTIVE"
    if not made.sections.get("impression"):
        assert made.fields, "a template without an impression asks for findings"
        return
    exam = Exam(
        accession="1",
        study_uids=EXAM.study_uids,
        modality=made.modality,
        body_part=made.body_part,
        description=made.title,
        performed=EXAM.performed,
        institution=EXAM.institution,
    )
    fields = {each.name: each.choices[0] for each in made.fields if each.choices}
    content = Content(
        template=made.reference,
        language=made.language,
        sections=made.sections,
        fields=fields,
        positive=False,
    )
    context = Context(
        defaults=made.sections,
        required=tuple((each.name, each.label) for each in made.fields if each.required),
        elsewhere=("other",),
    )
    for sex in ("M", "F"):
        patient = PATIENT.__class__(
            **{**{f: getattr(PATIENT, f) for f in PATIENT.__slots__}, "sex": sex}
        )
        assert check(content, patient=patient, exam=exam, context=context) == ()


@pytest.mark.parametrize("name", [name for name, _ in starting_set("phrases")])
def test_phrases_have_no_placeholder(name: str) -> None:
    said = dict(starting_set("phrases"))[name]
    content = Content(language=said["language"], sections={said["section"]: said["text"]})
    found = check(content, patient=PATIENT, exam=EXAM)
    assert [each for each in found if each.rule == "placeholder"] == []
