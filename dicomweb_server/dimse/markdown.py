"""Pieces of a Markdown document as its lines, each piece after an empty one."""

from collections.abc import Iterable, Iterator, Sequence


def heading(title: str, *, level: int = 3) -> Iterator[str]:
    yield from ("", f"{'#' * level} {title}")


def paragraph(text: str) -> Iterator[str]:
    yield from ("", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def yes_or_no(flag: bool) -> str:
    return "yes" if flag else "no"
