"""Writes CONFORMANCE.md: the routes, and every rule with our result beside other servers'.

    python -m tests.conformance.report             from what is known
    python -m tests.conformance.report --record    after trying the Orthanc that is installed here
    python -m tests.conformance.report --record URL --name NAME --version VERSION   another server

Our own column needs no recording: a rule holds unless `not_yet.py` names it, and `test_ours.py`
keeps that true. Other servers' results are files in `results/`, a column each.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.not_yet import GAPS, NOT_YET
from tests.conformance.rules import GROUPS, Rule, rules

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
DOCUMENT = ROOT / "CONFORMANCE.md"

MARKS = {"passed": "✓", "failed": "✗", "not supported": "–", "not yet": "not yet"}


@dataclass(frozen=True)
class Column:
    """A server's results: rule -> outcome. A rule that is newer than the results is absent."""

    name: str
    version: str
    outcomes: dict[str, str]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}".strip()


def ours() -> Column:
    outcomes = {rule.name: "not yet" if rule.name in NOT_YET else "passed" for rule in rules()}
    return Column("this server", "", outcomes)


def recorded() -> list[Column]:
    """The other servers, by name and version."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    columns = [Column(one["name"], one["version"], one["outcomes"]) for one in found]
    return sorted(columns, key=lambda one: one.title, reverse=True)


def record(results: dict[str, Any]) -> Path:
    """Keeps the results that `python -m tests.conformance --json` wrote; returns the file."""
    name, version = str(results["name"]), str(results["version"])
    outcomes = {one["name"]: one["outcome"] for one in results["rules"]}
    path = RESULTS / (re.sub(r"[^a-z0-9.]+", "-", f"{name}-{version}".lower()) + ".json")
    document = {"name": name, "version": version, "outcomes": outcomes}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def document() -> str:
    """The whole of CONFORMANCE.md."""
    columns = [ours(), *recorded()]
    sections = [
        (HERE / "statement.md").read_text(encoding="utf-8").rstrip(),
        _resources(),
        _summary(columns),
        _not_yet(),
        *_tables(columns),
        _dimse(),
    ]
    return "\n\n".join(sections) + "\n"


def _dimse() -> str:
    """The DIMSE statement of the settings as they come, its headings one level deeper."""
    from dicomweb_server.config import Config
    from dicomweb_server.dimse.conformance import conformance

    return re.sub(r"^(#+ )", r"#\1", conformance(Config()).rstrip(), flags=re.MULTILINE)


def _resources() -> str:
    from dicomweb_server.web.app import DICOMWEB_ROUTES, OTHER_ROUTES

    lines = [
        "## Resources",
        "",
        "Patterns are below the DICOMweb root, `/dicom-web` unless `prefix` says otherwise.",
        "",
        *_routes(DICOMWEB_ROUTES),
        "",
        "Outside the DICOMweb root:",
        "",
        *_routes(OTHER_ROUTES),
    ]
    return "\n".join(lines)


def _routes(routes: Sequence[tuple[str, str, Any]]) -> list[str]:
    """A row each, with what its module is for."""
    lines = ["| method | pattern | |", "|---|---|---|"]
    for method, pattern, handler in routes:
        opening = (sys.modules[handler.__module__].__doc__ or "").partition("\n\n")[0]
        about = " ".join(opening.split()).partition(". ")[0].rstrip(".")
        lines.append(f"| {method} | `{pattern}` | {about} |")
    return lines


def _summary(columns: Sequence[Column]) -> str:
    titles = " | ".join(column.title for column in columns)
    lines = [
        "## Summary",
        "",
        "Rules that hold, of all; of those that say *shall* in brackets.",
        "",
        f"| section | {titles} |",
        "|---|" + "---:|" * len(columns),
    ]
    for group in GROUPS:
        mine = [rule for rule in rules() if rule.group == group]
        counts = " | ".join(_counted(mine, column) for column in columns)
        lines.append(f"| {group.section} {group.title} | {counts} |")
    counts = " | ".join(_counted(rules(), column) for column in columns)
    lines.append(f"| **all** | {counts} |")
    return "\n".join(lines)


def _counted(some: Sequence[Rule], column: Column) -> str:
    shall = [rule for rule in some if rule.level == "shall"]

    def holding(of: Sequence[Rule]) -> int:
        return sum(column.outcomes.get(rule.name) == "passed" for rule in of)

    return f"{holding(some)}/{len(some)} ({holding(shall)}/{len(shall)})"


def _not_yet() -> str:
    lines = ["## Not yet", ""]
    if not GAPS:
        lines.append("Nothing: every rule holds.")
    by_name = {rule.name: rule for rule in rules()}
    for reason, names in GAPS.items():
        lines.append(f"- {reason}")
        lines += [f"    - §{by_name[name].section} {by_name[name].sentence}" for name in names]
    return "\n".join(lines)


def _tables(columns: Sequence[Column]) -> list[str]:
    tables: list[str] = []
    titles = " | ".join(column.title for column in columns)
    for group in GROUPS:
        lines = [
            f"## {group.section} {group.title}",
            "",
            f"| rule | § | | {titles} |",
            "|---|---|---|" + ":-:|" * len(columns),
        ]
        for rule in rules():
            if rule.group == group:
                marks = " | ".join(MARKS.get(c.outcomes.get(rule.name, ""), "") for c in columns)
                sentence = rule.sentence.replace("|", "\\|").replace("*", "\\*")
                lines.append(f"| {sentence} | {rule.section} | {rule.level} | {marks} |")
        tables.append("\n".join(lines))
    return tables


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.report")
    parser.add_argument("--record", nargs="?", const="orthanc", metavar="URL")
    parser.add_argument("--results", type=Path, metavar="FILE", help="record these JSON results")
    parser.add_argument("--name", default="")
    parser.add_argument("--version", default="")
    asked = parser.parse_args(arguments)
    if asked.results:
        results = json.loads(asked.results.read_text(encoding="utf-8"))
        given = {"name": asked.name, "version": asked.version}
        print(record(results | {key: value for key, value in given.items() if value}))
    elif asked.record == "orthanc":
        from tests.conformance.orthanc import tried

        with tempfile.TemporaryDirectory() as directory:
            print(record(tried(Path(directory))))
    elif asked.record:
        from tests.conformance.__main__ import main as suite

        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "results.json"
            facts = ["--name", asked.name, "--version", asked.version]
            suite(["--base-url", asked.record, "--json", str(file), *facts])
            print(record(json.loads(file.read_text(encoding="utf-8"))))
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
