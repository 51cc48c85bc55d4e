"""What persons set for the pages: the own, what is for everybody, and who was first."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from dicomweb_server.access import preferences
from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.access.errors import Denied, Stale, Unknown
from dicomweb_server.access.preferences import Preference
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.records.database import Database

WANG = Caller("wang", frozenset({Act.VIEW}), person_id="w")
LI = Caller("li", frozenset({Act.VIEW}), person_id="l")
KEYS = "keyboard"


def put(
    database: Database, caller: Caller, value: str, revision: int, *, shared: bool = False
) -> Preference:
    with database.write() as session:
        return preferences.set_preference(
            session, caller, KEYS, value, shared=shared, revision=revision
        )


def held(database: Database, caller: Caller, *, shared: bool = False) -> tuple[str | None, int]:
    with database.read() as session:
        found = preferences.preference(session, caller, KEYS, shared=shared)
    return found.value, found.revision


def test_everybody_has_his_own_and_all_have_what_is_for_everybody(database: Database) -> None:
    assert held(database, WANG) == (None, 0)
    put(database, WANG, '{"length":"d"}', 0)
    put(database, SYSTEM, '{"length":"e"}', 0, shared=True)
    assert held(database, WANG) == ('{"length":"d"}', 1)
    assert held(database, LI) == (None, 0)
    assert held(database, LI, shared=True) == held(database, WANG, shared=True)
    assert held(database, LI, shared=True) == ('{"length":"e"}', 1)


def test_who_has_not_seen_the_present_revision_changes_nothing(database: Database) -> None:
    put(database, WANG, '{"a":1}', 0)
    put(database, WANG, '{"a":2}', 1)
    for stale in (0, 1, 3, -1):
        with pytest.raises(Stale, match="set 2 times"):
            put(database, WANG, '{"a":3}', stale)
    assert held(database, WANG) == ('{"a":2}', 2)


def test_what_is_for_everybody_is_set_by_who_manages_templates(database: Database) -> None:
    with pytest.raises(Denied):
        put(database, WANG, "{}", 0, shared=True)
    chief = replace(WANG, acts=frozenset({Act.TEMPLATES}))
    assert put(database, chief, "{}", 0, shared=True).revision == 1
    with pytest.raises(Denied):
        put(database, replace(WANG, acts=frozenset()), "{}", 0)


def test_a_name_that_no_page_knows_is_refused(database: Database) -> None:
    with database.write() as session, pytest.raises(Unknown, match="wallpaper"):
        preferences.set_preference(session, WANG, "wallpaper", "{}", shared=False, revision=0)


def test_a_change_is_an_event_of_the_audit_without_the_value(database: Database) -> None:
    put(database, WANG, '{"secret":"d"}', 0)
    with database.read() as session:
        (row,) = session.scalars(sa.select(AuditRow)).all()
    assert (row.action, row.subject, row.actor) == ("preferences.change", KEYS, "wang")
    assert row.detail == '{"revision":1,"shared":false}'
