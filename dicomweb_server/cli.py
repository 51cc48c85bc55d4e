"""The command `dicomweb-server`: each subcommand is a thin call into the archive.

Exit codes: 0 done; 1 something was refused, failed or found damaged; 2 the command was not
understood. What went wrong is one sentence on standard error.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from dicomweb_server import __version__, compose
from dicomweb_server.access.doors import open_doors
from dicomweb_server.access.errors import AccessError
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.delete import delete
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.archive.export import ExportReport, export
from dicomweb_server.archive.importer import Summary, find, import_files
from dicomweb_server.archive.reindex import Reindexed, reindex
from dicomweb_server.archive.stats import stats
from dicomweb_server.archive.store import Received, store
from dicomweb_server.archive.upkeep import compact, settle, verify
from dicomweb_server.cli_users import COMMAND_LINE, arguments_of_audit, arguments_of_users
from dicomweb_server.config import Config, ConfigError, kind_of, load, sentences
from dicomweb_server.demo.archive import demo_files
from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dimse.conformance import conformance
from dicomweb_server.dimse.errors import DimseError
from dicomweb_server.dimse.peers import read_peers
from dicomweb_server.dimse.pull import pull
from dicomweb_server.logs import set_up_logging
from dicomweb_server.reading.errors import ReadingError
from dicomweb_server.reading.reading import open_reading
from dicomweb_server.reading.verification import verify as verify_reports
from dicomweb_server.records.errors import RecordsError
from storage.errors import StorageError
from storage.model import Scope, Stored

PROGRAM = "dicomweb-server"
DONE, FAILED, MISUNDERSTOOD = 0, 1, 2


class Failure(Exception):
    """The command cannot be done; the message is the sentence for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    asked = parser().parse_args(arguments)
    try:
        config = load(
            file=asked.config,
            flags={name: getattr(asked, name, None) for name in sentences()},
        )
        set_up_logging(config.log_level)
        code: int = asked.run(asked, config)
        return code
    except ConfigError as error:
        return _sorry(error, MISUNDERSTOOD)
    except (
        Failure,
        compose.CannotListen,
        StorageError,
        AccessError,
        RecordsError,
        DicomError,
        DimseError,
        ReadingError,
        OSError,
        ValueError,
    ) as error:
        return _sorry(error, FAILED)
    except BrokenExecutor:
        return _sorry("a process that imported was killed; run the command again", FAILED)
    except KeyboardInterrupt:
        return _sorry("interrupted", 130)


def _sorry(error: object, code: int) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return code


# ---------------------------------------------------------------------------- the commands


def _serve(asked: argparse.Namespace, config: Config) -> int:
    return compose.serve(config, announce=lambda text: print(text, flush=True))


def _dimse(asked: argparse.Namespace, config: Config) -> int:
    return compose.serve_dimse(config, announce=lambda text: print(text, flush=True))


def _pull(asked: argparse.Namespace, config: Config) -> int:
    peer = read_peers(config).to(asked.peer)
    if peer is None:
        raise Failure(f"{asked.peer} is no row of [[peers]] with host and port")
    code = DONE
    with _opened(config) as archive:
        desk = open_desk(archive)
        for study_uid in asked.study:
            found = pull(
                archive,
                desk,
                peer,
                study_uid=study_uid,
                series_uid=asked.series or "",
                by_move=asked.by_move,
            )
            print(f"study {study_uid}: {found.completed:,} instances, {found.failed:,} failed")
            if found.failed or not found.completed:
                print(found.comment or f"{peer.aet} sent nothing", file=sys.stderr)
                code = FAILED
        desk.close()
    return code


def _conformance(asked: argparse.Namespace, config: Config) -> int:
    print(conformance(config), end="")
    return DONE


def _import(asked: argparse.Namespace, config: Config) -> int:
    processes = config.import_processes or os.cpu_count() or 1
    if config.data.startswith("memory:"):
        raise Failure("an archive in memory is gone when the command ends: name a directory")
    with _opened(config) as archive, _progress(asked.paths, hidden=asked.json) as show:
        summary = import_files(archive, asked.paths, processes=processes, report=show)
    stored = {outcome.value: summary.stored[outcome] for outcome in Stored}
    counts = {name: count for name, count in stored.items() if count}
    if asked.json:
        _print_json(
            files=summary.files,
            bytes=summary.bytes_read,
            seconds=round(summary.seconds, 3),
            stored=counts,
            not_dicom=summary.not_dicom,
            refused=[
                {"file": each.name, "reason": each.refusal.value, "comment": each.comment}
                for each in summary.refused
            ],
        )
    else:
        for each in summary.refused:
            print(f"{each.name}: {each.refusal.value}: {each.comment}", file=sys.stderr)
        told = [f"{count:,} {name}" for name, count in counts.items()] or ["nothing stored"]
        told.append(f"{summary.not_dicom:,} not DICOM")
        told.append(f"{len(summary.refused):,} refused")
        print(f"{_speed(summary.files, summary.bytes_read, summary.seconds)}: {', '.join(told)}")
    return FAILED if summary.refused else DONE


def _export(asked: argparse.Namespace, config: Config) -> int:
    started = time.monotonic()

    def show(done: ExportReport) -> None:
        if sys.stderr.isatty():
            print(f"\r{done.files:,} files", end="", file=sys.stderr)

    with _opened(config) as archive:
        done = export(
            archive,
            asked.out,
            studies=asked.study or (),
            dicomdir=asked.dicomdir,
            received=asked.received,
            report=show,
        )
    for fault in done.faults:
        print(fault, file=sys.stderr)
    print(f"{_speed(done.files, done.bytes_written, time.monotonic() - started)} to {asked.out}")
    return FAILED if done.faults else DONE


def _verify(asked: argparse.Namespace, config: Config) -> int:
    faults: list[str] = []

    def report(fault: str) -> None:
        faults.append(fault)
        print(fault, flush=True)

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done:,} of {total:,} instances", end="", file=sys.stderr)

    with _opened(config) as archive:
        found = verify(
            archive, full=asked.full, sweep=asked.sweep, report=report, progress=progress
        )
    if asked.sweep:
        print(
            f"swept {found.packs_removed:,} packs ({found.bytes_freed / 1e6:,.1f} MB) "
            f"and {found.files_removed:,} unfinished uploads"
        )
    looked = f"{found.contents:,} contents"
    if asked.full:
        looked += f" and {found.instances:,} instances read ({found.bytes_read / 1e6:,.1f} MB)"
    print(f"{looked}: {f'{len(faults):,} faults' if faults else 'all is whole'}")
    return FAILED if faults else DONE


def _reports(asked: argparse.Namespace, config: Config) -> int:
    with _opened(config) as archive:
        found = verify_reports(open_reading(archive), asked.report)
    for fault in found.faults:
        print(fault)
    looked = f"{found.versions:,} versions with {found.signatures:,} signatures"
    print(f"{looked}: {f'{len(found.faults):,} faults' if found.faults else 'all are as signed'}")
    return FAILED if found.faults else DONE


def _settle(asked: argparse.Namespace, config: Config) -> int:
    told = False
    with _opened(config) as archive:
        while True:
            done = settle(archive)
            print(
                f"{done.series:,} series settled: {done.contents:,} contents, "
                f"{done.bytes_before / 1e6:,.1f} MB became {done.bytes_after / 1e6:,.1f} MB"
            )
            for problem in done.problems:
                print(problem, file=sys.stderr)
            if done.finished:
                return FAILED if done.problems else DONE
            if not told:
                print("another process is settling; waiting for it", file=sys.stderr)
                told = True
            time.sleep(1)


def _compact(asked: argparse.Namespace, config: Config) -> int:
    with _opened(config) as archive:
        done = compact(archive)
    print(
        f"{done.packs_rewritten:,} packs written anew, {done.packs_removed:,} removed, "
        f"{done.bytes_freed / 1e6:,.1f} MB freed"
    )
    for problem in done.problems:
        print(problem, file=sys.stderr)
    if not done.finished:
        print("another process is compacting; what is left is its work", file=sys.stderr)
    return FAILED if done.problems else DONE


def _reindex(asked: argparse.Namespace, config: Config) -> int:
    def show(done: Reindexed) -> None:
        if sys.stderr.isatty():
            print(f"\r{done.studies:,} studies", end="", file=sys.stderr)

    with _opened(config) as archive:
        done = reindex(archive, report=show)
    print(f"{done.studies:,} studies, {done.instances:,} instances reindexed")
    return DONE


def _stats(asked: argparse.Namespace, config: Config) -> int:
    with _opened(config) as archive:
        found = stats(archive)
    counts = found.counts
    facts: dict[str, int] = {
        "studies": counts.studies,
        "series": counts.series,
        "instances": counts.instances,
        "contents": counts.blobs,
        "content_bytes": counts.content_bytes,
        "payload_bytes": counts.payload_bytes,
        "packs": found.packs,
        "disk_bytes": found.disk_bytes,
        "dead_bytes": found.dead_bytes,
        "landing_bytes": found.landing_bytes,
    }
    forms = {form.name.lower(): count for form, count in counts.forms.items()}
    if asked.json:
        _print_json(**facts, forms=forms)
        return DONE
    for name, value in facts.items():
        shown = f"{value / 1e6:,.1f} MB" if name.endswith("_bytes") else f"{value:,}"
        print(f"{name.replace('_bytes', '').replace('_', ' '):10} {shown:>15}")
    print(f"{'forms':10} {', '.join(f'{count:,} {name}' for name, count in forms.items()):>15}")
    return DONE


def _delete(asked: argparse.Namespace, config: Config) -> int:
    with _opened(config) as archive:
        for study_uid in asked.study:
            gone = delete(archive, Scope(study_uid))
            print(f"study {study_uid}: {gone.instances:,} instances of {gone.series:,} series gone")
    return DONE


def _demo(asked: argparse.Namespace, config: Config) -> int:
    """Stores the first file last: where it is stored, all are, and none needs to be made again."""
    files = demo_files()
    first = next(files)
    new = 0
    with _opened(config) as archive:
        uid = describe(BytesSource(first[1])).instance_uid
        if archive.storage.index.instance(uid) is None:
            for name, content in chain(files, (first,)):
                (outcome,) = store(archive, [Received(BytesSource(content), f"demo:{name}")])
                if outcome.stored is None:
                    raise Failure(f"{name}: {outcome.comment}")
                new += outcome.stored is Stored.NEW
                if sys.stderr.isatty():
                    print(f"\r{new:,} instances made", end="", file=sys.stderr)
    print(f"{new:,} demonstration instances stored in {config.data}")
    return DONE


# ---------------------------------------------------------------------------- what they share


@contextmanager
def _opened(config: Config) -> Iterator[Archive]:
    """The archive, and what is done to it in the audit in the name of the command line."""
    archive = open_archive(config)
    try:
        doors = open_doors(config, archive.directory)
        try:
            yield archive.noting(doors.journal).seen_by(COMMAND_LINE)
        finally:
            doors.close()
    finally:
        archive.close()


def _print_json(**facts: Any) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def _speed(files: int, length: int, seconds: float) -> str:
    seconds = max(seconds, 1e-3)
    return (
        f"{files:,} files, {length / 1e6:,.1f} MB in {seconds:,.1f} s "
        f"({files / seconds:,.0f} files/s, {length / seconds / 1e6:,.1f} MB/s)"
    )


LINE_EVERY_S = 10.0
"""Where there is no terminal a bar would only fill a log: a line now and then is enough."""


@contextmanager
def _progress(paths: Sequence[Path], *, hidden: bool) -> Iterator[Callable[[Summary], None]]:
    """Shows an import's progress on standard error: a bar on a terminal, else a line at times."""
    terminal = sys.stderr.isatty() and not hidden
    expected = sum(1 for _ in find(paths)) if terminal else 0
    shown = time.monotonic()

    def show(summary: Summary) -> None:
        nonlocal shown
        now = time.monotonic()
        if hidden or now - shown < (0.1 if terminal else LINE_EVERY_S):
            return
        shown = now
        text = _speed(summary.files, summary.bytes_read, summary.seconds)
        if terminal:
            filled = 30 * summary.files // max(1, expected)
            bar = f"[{'=' * filled}{' ' * (30 - filled)}] {text} of {expected:,}"
            print(
                f"\r\x1b[2K{bar[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr
            )
        else:
            print(text, file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\x1b[2K", end="", file=sys.stderr)


# ---------------------------------------------------------------------------- the arguments


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="A DICOMweb archive: stores, finds and gives back studies, bit for bit.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{PROGRAM} COMMAND --help says more about a command, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )

    serve = _command(
        commands,
        "serve",
        _serve,
        "serve the archive over DICOMweb",
        example="serve --data /srv/archive --host 0.0.0.0 --port 8000 --workers 4",
    )
    _settings(serve, *sentences())

    bridge = _command(
        commands,
        "dimse",
        _dimse,
        "serve the archive over DIMSE alone, without DICOMweb",
        example="dimse --data /srv/archive --aet DICOMWEB --dimse-port 11112",
    )
    _settings(bridge, *(name for name in sentences() if name not in _WEB_ONLY))

    pulling = _command(
        commands,
        "pull",
        _pull,
        "fetch studies from a DIMSE peer",
        example="pull --config archive.toml --from PACS2 --study 1.2.3",
    )
    pulling.add_argument("--from", dest="peer", required=True, metavar="AE", help="whom to ask")
    pulling.add_argument(
        "--study", action="append", required=True, metavar="UID", help="what; may be repeated"
    )
    pulling.add_argument("--series", metavar="UID", help="only this series of it")
    pulling.add_argument(
        "--by-move", action="store_true", help="have it sent here (C-MOVE) instead of C-GET"
    )
    _settings(pulling, "data", "aet", "peers", "log_level")

    stating = _command(
        commands,
        "conformance",
        _conformance,
        "write the DICOM conformance statement of this configuration as Markdown",
        example="conformance --config archive.toml > CONFORMANCE-DICOM.md",
    )
    _settings(stating, *(name for name in sentences() if name not in _WEB_ONLY))

    importing = _command(
        commands,
        "import",
        _import,
        "store files, folders and zip archives; run again to go on where it stopped",
        example="import /mnt/cdrom study.zip --data /srv/archive",
    )
    importing.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="what to import")
    importing.add_argument("--json", action="store_true", help="print a summary as JSON")
    _settings(importing, "data", "conflict", "import_processes", "log_level")

    exporting = _command(
        commands,
        "export",
        _export,
        "write the files as they were received",
        example="export --data /srv/archive --out /media/usb --study 1.2.3 --dicomdir",
    )
    exporting.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to")
    exporting.add_argument(
        "--study", action="append", metavar="UID", help="this study; may be repeated; else all"
    )
    exporting.add_argument(
        "--received", action="store_true", help="files as they were received, before any edit"
    )
    exporting.add_argument("--dicomdir", action="store_true", help="names of DICOM media, DICOMDIR")
    _settings(exporting, "data", "log_level")

    verifying = _command(
        commands,
        "verify",
        _verify,
        "check that everything stored is there and whole",
        example="verify --data /srv/archive --full",
    )
    verifying.add_argument("--full", action="store_true", help="hash every content and every file")
    verifying.add_argument("--sweep", action="store_true", help="remove what a crash left behind")
    _settings(verifying, "data", "log_level")

    proving = _command(
        commands,
        "reports",
        _reports,
        "recompute every digest and signature of issued reports",
        example="reports verify --data /srv/archive",
    )
    proving.add_argument("what", choices=["verify"], help="what is done with them")
    proving.add_argument("report", nargs="?", default="", help="id of one; all when not given")
    _settings(proving, "data", "records", "log_level")

    settling = _command(
        commands,
        "settle",
        _settle,
        "compress at once what has arrived",
        example="settle --data /srv/archive --settle-threads 4",
    )
    _settings(settling, "data", "settle_threads", "log_level")

    compacting = _command(
        commands,
        "compact",
        _compact,
        "give back the space of what was deleted",
        example="compact --data /srv/archive",
    )
    _settings(compacting, "data", "log_level")

    reindexing = _command(
        commands,
        "reindex",
        _reindex,
        "work out anew what search finds, beside a server if need be",
        example="reindex --data /srv/archive --searchable 'instance:KVP'",
    )
    _settings(reindexing, "data", "searchable", "log_level")

    counting = _command(
        commands,
        "stats",
        _stats,
        "count what is stored and what it takes on disk",
        example="stats --data /srv/archive --json",
    )
    counting.add_argument("--json", action="store_true", help="print JSON")
    _settings(counting, "data", "log_level")

    deleting = _command(
        commands,
        "delete",
        _delete,
        "delete studies",
        example="delete 1.2.840.113619.2.1 --data /srv/archive",
    )
    deleting.add_argument("study", nargs="+", metavar="STUDY", help="Study Instance UID")
    _settings(deleting, "data", "log_level")

    demonstrating = _command(
        commands,
        "demo",
        _demo,
        "store a demonstration archive of phantoms",
        example="demo --data demo-archive",
    )
    _settings(demonstrating, "data", "log_level")

    managing = _command(
        commands,
        "users",
        None,
        "manage persons, accounts and tokens",
        example="users add wang --name 王小东 --role administrator --data /srv/archive",
    )
    arguments_of_users(managing, _settings)

    auditing = _command(
        commands,
        "audit",
        None,
        "check the audit",
        example="audit verify --data /srv/archive",
    )
    arguments_of_audit(auditing, _settings)
    return parser


_WEB_ONLY = ("port", "workers", "prefix", "public_url", "settle", "dimse")


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace, Config], int] | None,
    purpose: str,
    *,
    example: str,
) -> argparse.ArgumentParser:
    """run  None: the command has commands of its own"""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example:\n  {PROGRAM} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with settings by their names"
    )
    return parser


def _settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """A flag for each of these settings; what is not given is left to the configuration."""
    for name in names:
        sentence, default = sentences()[name]
        # argparse formats help texts with %.
        text = f"{sentence[0].lower()}{sentence[1:].rstrip('.')} (default: {default})"
        flag, kind = "--" + name.replace("_", "-"), kind_of(name)
        if kind is bool:
            parser.add_argument(
                flag, dest=name, default=None, action=argparse.BooleanOptionalAction, help=text
            )
        else:
            parser.add_argument(
                flag, dest=name, metavar=_METAVARS.get(kind, "N"), help=text.replace("%", "%%")
            )


_METAVARS: dict[type, str] = {str: "TEXT"}
