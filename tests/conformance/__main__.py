"""The suite on the command line: `python -m tests.conformance --base-url URL`."""

import argparse
import sys
import time
from pathlib import Path

from tests.conformance.rules import Failed, selected
from tests.conformance.run import TIME_LIMIT_S, Result, clean_up, exit_code, run, set_up
from tests.conformance.site import Site
from tests.conformance.tables import markdown_table, text_table, write_json


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Tries the rules of DICOM PS3.18 on a server: stores small studies of its own, "
        "asks for them in every way, deletes them. Exit code 1 when a rule that says `shall` "
        "does not hold, 2 when the server cannot be tried.",
    )
    made.add_argument("--base-url", required=True, help="the DICOMweb root, http://host/dicom-web")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PREFIX",
        help="only rules whose section or name begins so (10.6); may be given again",
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results there as JSON")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write them as a table")
    made.add_argument("--no-delete", action="store_true", help="leave the studies on the server")
    made.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="sent with every request (Authorization); may be given again",
    )
    made.add_argument("--wado-uri", metavar="URL", help="the URI service, when it is elsewhere")
    made.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, metavar="SECONDS")
    made.add_argument("--name", default="", help="of the server, for the JSON results")
    made.add_argument("--version", default="", help="of the server, for the JSON results")
    made.add_argument("--verbose", action="store_true", help="say each rule as it is tried")
    return made


def main(arguments: list[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    headers = [tuple(map(str.strip, text.partition(":")[::2])) for text in asked.header]
    site = Site(
        asked.base_url,
        headers=[(name, value) for name, value in headers],
        wado_uri=asked.wado_uri,
    )
    rules = list(selected(asked.only))
    if not rules:
        print(f"no rule begins with {', '.join(asked.only)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        given = set_up(site)
    except Failed as error:
        print(error, file=sys.stderr)
        return 2

    def say(result: Result) -> None:
        if asked.verbose:
            print(f"{result.outcome:<13} {result.seconds:6.2f} s  {result.rule.name}", flush=True)

    try:
        results = run(site, given, rules, time_limit_s=asked.time_limit, progress=say)
    finally:
        stay = [] if asked.no_delete else clean_up(site, given)
        site.close()
    print(text_table(results))
    print(f"\n{len(results)} rules, {site.requests} requests, {time.monotonic() - began:.1f} s")
    if stay:
        print(f"{len(stay)} studies of this run stay on the server, it deletes none")
    if asked.json:
        write_json(asked.json, results, name=asked.name, version=asked.version)
    if asked.markdown:
        asked.markdown.write_text(markdown_table(results), encoding="utf-8")
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
