"""The command, as a user starts it: what it prints, what it leaves, how it ends."""

import ctypes
import hashlib
import json
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dicomweb_server.cli import main
from tests.dicom.build import SERIES_UID, STUDY_UID, part10
from tests.servers import answers, command, ended, kill_session, serving, session_of, wait_for
from tests.web.bodies import CONTENT_TYPE, related

COMMANDS = ("serve", "import", "export", "verify", "settle", "compact", "stats", "delete", "demo")


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    """What a command prints on its two streams when it ends with `code`."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        ended = main([str(each) for each in arguments])
    assert ended == code, (out.getvalue(), err.getvalue())
    return out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command sets logging up for its process, and here that is the tests' process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with 12 instances, and something else."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(12):
        content = part10(
            instance_uid=f"{SERIES_UID}.{n}", InstanceNumber=n, rows=8, columns=8, frames=n + 1
        )
        (folder / f"{n}.dcm").write_bytes(content)
    (folder / "notes.txt").write_text("nothing of ours\n" * 20)
    return folder


def digests(folder: Path) -> set[str]:
    return {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "DICOMDIR" and path.suffix != ".txt"
    }


# ---------------------------------------------------------------------------- asking for help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    page = capsys.readouterr().out
    assert f"example:\n  dicomweb-server {command}" in page
    assert "--data" in page


def test_the_first_help_page_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    page = capsys.readouterr().out
    assert all(re.search(rf"^    {command}\b", page, re.M) for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dance"], "invalid choice: 'dance'"),
        ([], "required: COMMAND"),
        (["import"], "required: PATH"),
        (["serve", "--port", "many"], "port (--port): 'many' is not a whole number"),
        (["serve", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_a_command_that_cannot_be_understood_ends_with_2_and_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err


# ---------------------------------------------------------------------------- the common path


def test_import_export_verify_stats_and_delete_follow_one_another(
    data: Path, files: Path, tmp_path: Path
) -> None:
    out, _ = run("import", files, "--data", data)
    assert re.match(r"13 files, .* files/s, .* MB/s\): 12 new, 1 not DICOM, 0 refused", out)
    out, _ = run("import", files, "--data", data, "--json")
    again = json.loads(out)
    assert again["stored"] == {"duplicate": 12}
    assert (again["files"], again["not_dicom"], again["refused"]) == (13, 1, [])

    run("settle", "--data", data)
    counted = json.loads(run("stats", "--data", data, "--json")[0])
    assert (counted["studies"], counted["series"], counted["instances"]) == (1, 1, 12)
    assert counted["forms"].keys() <= {"raw", "zstd", "htj2k"}
    assert "instances" in run("stats", "--data", data)[0]

    run("export", "--data", data, "--out", tmp_path / "out")
    assert digests(tmp_path / "out") == digests(files)
    run("export", "--data", data, "--out", tmp_path / "cd", "--dicomdir", "--study", STUDY_UID)
    assert digests(tmp_path / "cd") == digests(files)
    assert (tmp_path / "cd" / "DICOMDIR").is_file()

    run("verify", "--data", data, "--full", "--sweep")
    out, _ = run("delete", STUDY_UID, "--data", data)
    assert "12 instances" in out
    run("compact", "--data", data)
    counted = json.loads(run("stats", "--data", data, "--json")[0])
    assert (counted["instances"], counted["disk_bytes"]) == (0, 0)


def test_the_command_is_a_module_too(data: Path, files: Path) -> None:
    process = command("import", files, "--data", data)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "12 new" in out
    process = command("import", files / "nowhere", "--data", data)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == f"dicomweb-server: {files / 'nowhere'} does not exist\n"


def test_what_is_refused_is_listed_and_ends_the_import_with_1(data: Path, files: Path) -> None:
    content = (files / "3.dcm").read_bytes()
    (files / "truncated.dcm").write_bytes(content[:-9])
    out, err = run("import", files, "--data", data, code=1)
    assert "1 refused" in out
    assert re.search(r"truncated\.dcm: malformed: \(7FE0,0010\) ", err)
    summary = json.loads(run("import", files, "--data", data, "--json", code=1)[0])
    (refused,) = summary["refused"]
    assert refused["file"].endswith("truncated.dcm")
    assert refused["reason"] == "malformed"


def test_damage_on_disk_is_found_and_named(data: Path, files: Path) -> None:
    run("import", files, "--data", data)
    pack = max((path for path in (data / "packs").rglob("*") if path.is_file()), key=size)
    content = bytearray(pack.read_bytes())
    frame = part10(rows=8, columns=8, frames=12)[-1500:]
    at = content.index(frame[-128:])
    content[at + 5] ^= 0x55
    pack.write_bytes(content)
    run("verify", "--data", data)
    out, _ = run("verify", "--data", data, "--full", code=1)
    assert "damaged" in out or "SHA-256" in out


def size(path: Path) -> int:
    return path.stat().st_size


def test_a_study_that_is_not_stored_is_said_in_a_sentence(data: Path) -> None:
    for arguments in (("delete", "1.2.3"), ("export", "--out", data / "x", "--study", "1.2.3")):
        _, err = run(*arguments, "--data", data, code=1)
        assert err == "dicomweb-server: study 1.2.3 is not stored\n"


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    for name in ("stats", "serve"):
        _, err = run(name, "--data", tmp_path, code=1)
        assert err.startswith("dicomweb-server: ")
        assert "holiday.jpg" in err
        assert err.count("\n") == 1


def test_an_archive_of_another_format_is_refused_by_its_number(data: Path) -> None:
    run("stats", "--data", data)
    written = json.loads((data / "FORMAT").read_text())
    (data / "FORMAT").write_text(json.dumps(written | {"format": 99}))
    _, err = run("verify", "--data", data, code=1)
    assert "format 99" in err


def test_the_demonstration_archive_is_made_once_and_to_the_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    broken = True

    def files() -> Iterator[tuple[str, bytes]]:
        for n in range(4):
            if broken and n == 2:
                raise OSError("the disk is full")
            made.append(f"{n}")
            yield f"{n}", part10(instance_uid=f"{SERIES_UID}.{n}")

    monkeypatch.setattr("dicomweb_server.cli.demo_files", files)
    assert run("demo", "--data", data, code=1)[1] == "dicomweb-server: the disk is full\n"
    broken = False
    # Not all was stored, so all is made again; then nothing but what tells that all is there.
    assert "3 demonstration instances stored" in run("demo", "--data", data)[0]
    made.clear()
    assert "0 demonstration instances stored" in run("demo", "--data", data)[0]
    assert made == ["0"]


# ---------------------------------------------------------------------------- serving


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("told", ["the server", "all its processes"])
def test_a_server_told_to_stop_ends_with_all_its_processes(
    data: Path, workers: int, stop: signal.Signals, told: str
) -> None:
    with serving(data, "--workers", workers) as (process, _):
        (os.kill if told == "the server" else os.killpg)(process.pid, stop)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert "starts again" not in err
        wait_for(lambda: ended(process), seconds=5)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.08])
@pytest.mark.parametrize("told", ["the server", "all its processes"])
def test_a_server_told_to_stop_before_it_is_up_ends_quietly(
    data: Path, workers: int, after_s: float, told: str
) -> None:
    _stops_quietly(data, workers=workers, after_s=after_s, told=told, stop=signal.SIGTERM)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("after_s", [0.0, 0.08, 0.3, 1.0])
def test_ctrl_c_in_a_terminal_before_a_server_is_up_ends_it_quietly(
    data: Path, workers: int, after_s: float
) -> None:
    told = "all its processes"
    _stops_quietly(data, workers=workers, after_s=after_s, told=told, stop=signal.SIGINT)


@pytest.mark.parametrize("after_s", [0.3, 0.6, 0.9])
def test_ctrl_c_while_the_program_is_imported_ends_it_quietly(data: Path, after_s: float) -> None:
    # What a shell has started in the background ignores it, and so do its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = command("serve", "--data", data, "--port", 0, "--no-dimse", start_new_session=True)
    signal.signal(signal.SIGINT, before)
    try:
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        # A fast machine has a server to stop by then.
        assert process.returncode in (-signal.SIGINT, 130, 0)
        assert "Traceback" not in err
    finally:
        kill_session(process)


def test_a_server_whose_archive_was_replaced_stores_nothing_and_says_why(
    data: Path, tmp_path: Path
) -> None:
    """What it would acknowledge were gone with it."""
    with serving(data) as (_, url):
        data.rename(tmp_path / "moved")
        run("stats", "--data", data)  # makes another one in its place
        sent = httpx.post(
            f"{url}/dicom-web/studies",
            content=part10(),
            headers={"Content-Type": "application/dicom"},
            trust_env=False,
        )
        assert sent.status_code == 503
        assert "has to be started again" in sent.json()["detail"]
        assert int(sent.headers["retry-after"]) > 0


def test_a_signal_that_wakes_nobody_stops_a_server_too(data: Path) -> None:
    """As one does that comes between Python's last look for signals and the sleep after it."""
    with serving(data, "--workers", 2) as (process, _):
        beside = next(
            int(thread.name)
            for thread in Path(f"/proc/{process.pid}/task").iterdir()
            if int(thread.name) != process.pid
        )
        tgkill = ctypes.CDLL(None, use_errno=True).tgkill
        assert tgkill(process.pid, beside, signal.SIGTERM) == 0
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err


@pytest.mark.parametrize("told", ["the server", "all its processes"])
def test_what_is_being_answered_is_answered_to_its_end(data: Path, told: str) -> None:
    """By a server of several processes too, which is there until they have ended."""
    with serving(data, "--workers", 2) as (process, url):
        body = related(part10())
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: h\r\nContent-Type: {CONTENT_TYPE}\r\n"
        address = urlsplit(url)
        assert address.hostname and address.port
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:1])
            time.sleep(0.5)
            (os.kill if told == "the server" else os.killpg)(process.pid, signal.SIGTERM)
            time.sleep(1)
            assert process.poll() is None
            client.sendall(body[1:])
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err


def test_what_dies_beside_a_server_is_there_again(data: Path) -> None:
    with serving(data, "--workers", 2) as (process, url):
        beside = set(session_of(process)) - {process.pid}
        assert len(beside) >= 4
        for pid in beside:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not beside.intersection(session_of(process)))
        wait_for(lambda: answers(url))


def _stops_quietly(
    data: Path, *, workers: int, after_s: float, told: str, stop: signal.Signals
) -> None:
    process = command(
        *("serve", "--data", data, "--port", 0, "--no-dimse", "--workers", workers),
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving ")
        time.sleep(after_s)
        (os.kill if told == "the server" else os.killpg)(process.pid, stop)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert "Warning" not in err
        wait_for(lambda: ended(process), seconds=5)
    finally:
        kill_session(process)


def test_processes_of_a_server_that_was_killed_do_not_outlive_it(data: Path) -> None:
    with serving(data, "--workers", 2) as (process, _):
        assert len(session_of(process)) >= 4
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: ended(process))


def test_what_is_stored_is_settled_in_the_background(data: Path, files: Path) -> None:
    run("import", files, "--data", data)
    with serving(data, "--settle-after-s", 0):
        wait_for(lambda: "raw" not in forms_of(data), seconds=60)


def forms_of(data: Path) -> dict[str, int]:
    counted = json.loads(run("stats", "--data", data, "--json")[0])
    forms: dict[str, int] = counted["forms"]
    return forms


@pytest.mark.parametrize("flag", ["--port", "--dimse-port"])
def test_a_port_that_is_taken_is_said_in_a_sentence(data: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"--port": 0, "--dimse-port": 0} | {flag: port}
        out, err = run(
            "serve", "--data", data, *(each for pair in ports.items() for each in pair), code=1
        )
    assert out == ""
    assert err == (
        f"dicomweb-server: port {port} of 127.0.0.1 is taken by another program: "
        f"choose another with {flag}\n"
    )


@pytest.mark.parametrize(
    ("command", "setting", "reason"),
    [
        ("serve", {"dimse_tls_port": 18890}, "dimse_tls_certificate (configuration): is needed"),
        ("dimse", {"dimse_tls_port": 18890}, "dimse_tls_certificate (configuration): is needed"),
        (
            "serve",
            {"dimse_tls_port": 18890, "dimse_tls_certificate": "nowhere.pem"},
            "dimse_tls_certificate (nowhere.pem): [Errno 2]",
        ),
        (
            "serve",
            {"port": 18890, "dimse_port": 18890},
            "dimse_port (configuration): 18890 is port too",
        ),
        (
            "dimse",
            {"dimse_port": 18890, "dimse_tls_port": 18890},
            "dimse_tls_port (configuration): 18890 is dimse_port too",
        ),
        (
            "serve",
            {"dimse_private_sop_classes": "1.2.3, abc"},
            "dimse_private_sop_classes (configuration): 'abc' is no UID",
        ),
    ],
)
def test_a_mistake_about_dimse_ends_the_start_with_2(
    data: Path, command: str, setting: dict[str, object], reason: str
) -> None:
    flags = [
        each for name, value in setting.items() for each in (f"--{name.replace('_', '-')}", value)
    ]
    out, err = run(command, "--data", data, *flags, code=2)
    assert out == ""
    assert err.startswith(f"dicomweb-server: {reason}")


def test_an_archive_in_memory_cannot_be_shared_by_processes() -> None:
    _, err = run("serve", "--data", "memory:", "--workers", 2, code=2)
    assert err.startswith("dicomweb-server: workers (with data in memory): each process")


def test_an_address_that_is_not_ours_is_said_in_a_sentence(data: Path) -> None:
    _, err = run("serve", "--data", data, "--host", "203.0.113.7", "--open-to-network", code=1)
    assert "203.0.113.7 cannot be listened on" in err
