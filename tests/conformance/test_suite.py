"""The suite itself: what it reads, what it counts, and that it ends whatever the server does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.conformance import site as site_module
from tests.conformance.__main__ import main
from tests.conformance.material import material, written
from tests.conformance.rules import GROUPS, Failed, Rule, Unsupported, rules, selected
from tests.conformance.run import Result, exit_code, tried
from tests.conformance.site import MediaType, Reply, Site
from tests.conformance.tables import markdown_table, text_table


def reply(body: bytes, content_type: str, status: int = 200) -> Reply:
    return Reply("GET /", status, httpx.Headers({"content-type": content_type}), body)


RELATED = 'multipart/related; type="application/dicom"; boundary="a b"'


# --- rules ----------------------------------------------------------------------------------------


def test_every_group_has_rules_and_every_rule_a_sentence() -> None:
    assert {rule.group for rule in rules()} == set(GROUPS)
    for rule in rules():
        assert rule.sentence.endswith("."), rule.name
        assert rule.section and rule.level in ("shall", "should", "may"), rule.name


def test_only_chooses_by_group_section_or_name() -> None:
    assert {rule.group.section for rule in selected(["10.6"])} >= {"10.6"}
    assert [rule.name for rule in selected(["the_heavier_type_wins"])] == ["the_heavier_type_wins"]
    assert len(list(selected([]))) == len(rules())


def rule(check: Callable[..., None], level: str = "shall") -> Rule:
    return Rule("r", GROUPS[0], "8.3", level, "A sentence.", check)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "passed"),
        (Failed("no"), "failed"),
        (Unsupported("no"), "not supported"),
        (KeyError("odd"), "failed"),
    ],
)
def test_whatever_a_check_raises_is_a_result(error: Exception | None, outcome: str) -> None:
    def check(*_: object) -> None:
        if error is not None:
            raise error

    result = tried(rule(check), Site("http://127.0.0.1:9"), material())
    assert result.outcome == outcome


def test_only_a_shall_that_fails_makes_the_exit_code_1() -> None:
    def result(level: str, outcome: str) -> Result:
        return Result(rule(lambda *_: None, level), outcome, "", 0.0)  # type: ignore[arg-type]

    assert exit_code([result("shall", "passed"), result("should", "failed")]) == 0
    assert exit_code([result("shall", "not supported"), result("may", "failed")]) == 0
    assert exit_code([result("shall", "failed")]) == 1


def test_tables_say_what_was_seen_of_every_failure() -> None:
    result = Result(rule(lambda *_: None), "failed", "expected a | b, seen <c>", 0.0)
    assert "expected a | b, seen <c>" in text_table([result])
    assert "expected a \\| b, seen &lt;c>" in markdown_table([result])


# --- reading --------------------------------------------------------------------------------------


def test_media_types_are_taken_apart() -> None:
    found = MediaType.parse('Multipart/Related; TYPE="application/dicom; x"; boundary="a\\"b"; q')
    assert found.essence == "multipart/related"
    assert found.parameters == {"type": "application/dicom; x", "boundary": 'a"b', "q": ""}


def test_parts_are_read_to_the_byte() -> None:
    body = (
        b"preamble\r\n--a b\r\nContent-Type: application/dicom\r\n\r\n\r\n--a\r\n"
        b"\r\n--a b\r\n\r\n\r\n--a b--\r\n"
    )
    parts = reply(body, RELATED).parts
    assert [part.content for part in parts] == [b"\r\n--a\r\n", b""]
    assert parts[0].headers == {"content-type": "application/dicom"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--a b\r\nContent-Type: x\r\n\r\nnever closed",
        b"--a bc\r\n\r\nx\r\n--a b--",
        b"--a b\r\nno end of headers\r\n--a b--",
    ],
)
def test_a_multipart_that_is_none_fails(body: bytes) -> None:
    with pytest.raises(Failed):
        _ = reply(body, RELATED).parts


def test_a_reply_that_is_no_json_fails_with_what_came() -> None:
    with pytest.raises(Failed, match="JSON"):
        _ = reply(b"<html>", "application/dicom+json").items
    with pytest.raises(Failed, match="array"):
        _ = reply(b"{}", "application/dicom+json").items
    assert reply(b"", "", 204).items == []


# --- material -------------------------------------------------------------------------------------


def test_every_run_has_uids_of_its_own() -> None:
    one, other = material(), material()
    assert one.token != other.token
    assert not {s.uid for s in one.samples.values()} & {s.uid for s in other.samples.values()}
    assert not set(one.studies()) & set(other.studies())


def test_every_sample_is_the_file_of_its_data_set() -> None:
    for sample in material().samples.values():
        assert written(sample.dataset) == sample.file
        assert sample.file[128:132] == b"DICM"


# --- ending ---------------------------------------------------------------------------------------


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does `answer` with each connection; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=answering, args=(connection,), daemon=True).start()

        def answering(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/dicom-web"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def silent(_: socket.socket) -> None:
    time.sleep(5)


def dribbling(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


def dribbling_its_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Odd: ")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize("behaviour", [silent, dribbling, dribbling_its_head])
def test_a_server_that_does_not_end_fails_in_time(
    monkeypatch: pytest.MonkeyPatch, behaviour: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr(site_module, "TIMEOUT_S", 0.5)
    with listening(behaviour) as url:
        began = time.monotonic()
        site = Site(url)
        with pytest.raises(Failed):
            site.get("/studies")
        with pytest.raises(Failed):
            site.raw(site.head_of("GET", "/studies"), asked="GET /studies")
        site.close()
        assert time.monotonic() - began < 4


def test_a_server_that_cannot_be_tried_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["--base-url", f"http://127.0.0.1:{port}/dicom-web"]) == 2
    assert "connection" in capsys.readouterr().err

    def refusing(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )

    with listening(refusing) as url:
        assert main(["--base-url", url, "--only", "8.3"]) == 2
    assert "403" in capsys.readouterr().err


def test_a_prefix_that_no_rule_has_is_exit_code_2() -> None:
    assert main(["--base-url", "http://127.0.0.1:9", "--only", "no_such_rule"]) == 2
