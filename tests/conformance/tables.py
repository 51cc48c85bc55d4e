"""Results as tables: for the terminal, as Markdown, as JSON."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.rules import GROUPS, Group
from tests.conformance.run import Result

OUTCOMES = ("passed", "failed", "not supported")


def counted(results: Sequence[Result]) -> Iterator[tuple[Group, list[int], list[int]]]:
    """Each group with its counts by outcome, of all rules and of those that say `shall`."""
    for group in GROUPS:
        mine = [one for one in results if one.rule.group == group]
        shall = [one for one in mine if one.rule.level == "shall"]
        if mine:
            yield (
                group,
                [sum(one.outcome == outcome for one in mine) for outcome in OUTCOMES],
                [sum(one.outcome == outcome for one in shall) for outcome in OUTCOMES],
            )


def text_table(results: Sequence[Result]) -> str:
    """By section, then every rule that did not pass with what was seen."""
    lines = [f"{'section':<58} {'passed':>7} {'failed':>7} {'not supported':>14}"]
    totals = [0, 0, 0]
    for group, counts, _ in counted(results):
        title = f"{group.section} {group.title}"
        lines.append(f"{title:<58} {counts[0]:>7} {counts[1]:>7} {counts[2]:>14}")
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
    lines.append(f"{'all':<58} {totals[0]:>7} {totals[1]:>7} {totals[2]:>14}")
    for result in results:
        if result.outcome != "passed":
            rule = result.rule
            lines += [
                "",
                f"{result.outcome.upper()} {rule.name} (§{rule.section}, {rule.level})",
                f"  {rule.sentence}",
                f"  {result.seen}",
            ]
    return "\n".join(lines)


def markdown_table(results: Sequence[Result]) -> str:
    lines = ["| section | passed | failed | not supported |", "|---|---:|---:|---:|"]
    for group, counts, _ in counted(results):
        lines.append(f"| {group.section} {group.title} | {counts[0]} | {counts[1]} | {counts[2]} |")
    lines += ["", "| rule | section | level | outcome | seen |", "|---|---|---|---|---|"]
    for result in results:
        rule = result.rule
        lines.append(
            f"| {rule.sentence} | {rule.section} | {rule.level} | {result.outcome} "
            f"| {cell(result.seen)} |"
        )
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """The text so that it stays within a cell of a Markdown table."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def write_json(path: Path, results: Sequence[Result], **facts: Any) -> None:
    """`facts` are of the server: name, version."""
    document = facts | {"rules": [one.as_json() for one in results]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
