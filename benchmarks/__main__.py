"""`python -m benchmarks [QUESTION ...]`: measures, prints a table for each question and adds a line
to the history, and writes the report from it."""

import argparse
import importlib
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import history, report
from benchmarks.bench import Bench, chroot_of
from benchmarks.measure import Summary
from benchmarks.peers import Missing, Orthanc112, is_isolated, isolate

HERE = Path(__file__).parent
QUESTIONS = (
    "frames",
    "series",
    "metadata",
    "search",
    "ingest",
    "rendered",
    "link",
    "dimse",
    "issuing",
    "browser",
)


def table(summaries: Sequence[Summary]) -> str:
    """The summaries as lines of text; ratios are to the first target of the case."""
    lines, first = [], None
    for s in summaries:
        if first is None or (first.question, first.case) != (s.question, s.case):
            first = s
            lines.append(f"\n{s.question}: {s.case}")
        low, high = s.spread("rate")
        extra = "  ".join(f"{name} {s.median(name):.2f}" for name in s.names()[2:])
        lines.append(
            f"  {s.target:<18} {s.median('rate'):>9.1f} {s.unit}/s ({low:.1f}-{high:.1f})"
            f"  {s.median('cpu_us'):>8.0f} us CPU  x{first.median('rate') / s.median('rate'):.2f}"
            f"  {extra}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], help="default: all")
    parser.add_argument("--full", action="store_true", help="the long round")
    parser.add_argument("--report", action="store_true", help="only write README.md and its plots")
    parser.add_argument("--cache", type=Path, default=HERE / ".cache", help="data and archives")
    parser.add_argument("--history", type=Path, default=HERE / "history.ndjson")
    arguments = parser.parse_args()
    if not arguments.report and not is_isolated():
        # While there is a network; what is missing is said by the question that needs it.
        with suppress(Missing):
            Orthanc112.install(chroot_of(arguments.cache.resolve()))
        isolate()
    failed = [] if arguments.report else measure(arguments)
    for path in report.write(arguments.history):
        print(f"· {path}")
    return 1 if failed else 0


def measure(arguments: argparse.Namespace) -> list[str]:
    """Asks the questions and adds a line to the history for each, as soon as it is answered; the
    names of those that failed. A question that cannot be asked here is told at the end."""
    failed: list[str] = []
    unanswered: list[str] = []
    for name in arguments.questions or QUESTIONS:
        started = time.monotonic()
        # Each has a bench of its own: versions and notes are those of its own servers and data.
        bench = Bench(cache=arguments.cache.resolve(), full=arguments.full)
        try:
            # All of it or nothing: half a question would pass for the last that is known of it.
            summaries = list(importlib.import_module(f"benchmarks.{name}").run(bench))
        except Missing as missing:
            unanswered.append(f"{name} was not measured: {missing}")
        except Exception as failure:
            traceback.print_exc()
            failed.append(name)
            unanswered.append(f"{name} failed: {type(failure).__name__}: {failure}")
        else:
            line = history.line_of(
                summaries, full=bench.full, versions=bench.versions, notes=bench.notes
            )
            with arguments.history.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            print("\n".join([table(summaries), *(f"· {note}" for note in bench.notes)]))
        print(f"· {name}: {time.monotonic() - started:.0f} s", flush=True)
    for why in unanswered:
        print(f"· {why}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
