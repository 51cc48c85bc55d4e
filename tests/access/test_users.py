"""`dicomweb-server users` and `audit`, and that an archive for everybody is served to nobody by
accident."""

import io
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicomweb_server.records.database import open_database
from tests.test_cli import run

PASSWORD = "correct horse battery"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def add(data: Path, monkeypatch: pytest.MonkeyPatch, login: str, *arguments: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    run("users", "add", login, *arguments, "--data", data)


def test_an_account_is_made_listed_changed_and_all_of_it_verifies(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(data, monkeypatch, "wang", "--name", "王小东", "--rank", "3", "--role", "administrator")
    add(data, monkeypatch, "li", "--role", "radiologist", "--role", "trainee")
    run("users", "role", "li", "clinician", "--data", data)
    run("users", "disable", "li", "--data", data)
    found = json.loads(run("users", "list", "--json", "--data", data)[0])
    assert [each["login"] for each in found] == ["li", "wang"]
    assert found[0]["roles"] == ["clinician"] and found[0]["disabled_at"]
    assert found[1]["person"] == "王小东"
    for verb in ("enable", "unlock", "second-factor-reset"):
        run("users", verb, "li", "--data", data)
    assert "active" in run("users", "list", "--data", data)[0].splitlines()[0]
    told, _ = run("audit", "verify", "--data", data)
    assert "all is whole" in told


def test_a_token_is_printed_alone_so_that_a_script_can_take_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(data, monkeypatch, "wang", "--role", "administrator")
    out, err = run(
        "users",
        "token",
        "wang",
        "--name",
        "gateway",
        "--act",
        "store",
        "--days",
        "30",
        "--data",
        data,
    )
    assert out.startswith("dws_") and len(out.split()) == 1
    assert "is good until" in err


def test_what_cannot_be_is_a_sentence(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    _, err = run("users", "add", "wang", "--role", "administrator", "--data", data, code=1)
    assert "a password has 10 to 200 characters, this one 5" in err
    _, err = run("users", "disable", "nobody", "--data", data, code=1)
    assert "there is no account 'nobody'" in err


def test_audit_verify_names_the_first_bad_event(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(data, monkeypatch, "wang", "--role", "administrator")
    run("users", "unlock", "wang", "--data", data)
    records = open_database("", directory=data)
    with records.write() as session:
        session.execute(sa.text("DROP TRIGGER audit_events_no_update"))
        session.execute(sa.text("UPDATE audit_events SET actor = 'x' WHERE seq = 2"))
    records.close()
    told, _ = run("audit", "verify", "--data", data, code=1)
    assert told.startswith("event 2 is not what was recorded")


def test_an_archive_without_accounts_is_not_served_to_the_network_by_accident(data: Path) -> None:
    _, err = run("serve", "--data", data, "--host", "0.0.0.0", "--port", 0, code=2)
    assert "there is no account yet" in err and "--open-to-network" in err


def test_what_is_done_on_the_command_line_is_in_the_audit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("demo", "--data", data)
    records = open_database("", directory=data)
    with records.read() as session:
        rows = session.execute(sa.text("SELECT actor, action FROM audit_events")).all()
    records.close()
    assert rows
    assert {action for _, action in rows} == {"study.store"}
    assert all(actor.startswith("command line") for actor, _ in rows)
