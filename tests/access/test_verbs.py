"""Every verb of the archive asks the policy first: no transport is a back door."""

import ast

import pytest

from tests.verbs import PROGRAM, public_functions

HELPERS: dict[str, str] = {
    "ahead.ahead": "of work that is given",
    "asked.asked_for": "pure",
    "archive.open_archive": "opens, for the program itself",
    "desk.open_desk": "opens; verbs over the desk ask it",
    "desk.set_mark": "within a transaction of the jobs",
    "dicomdir.kind_of_instance": "pure",
    "edit.elements_of": "pure",
    "export.harmless": "pure",
    "export.text": "pure",
    "importer.find": "of the caller's own files",
    "importer.groups": "of the caller's own files",
    "orders.checked": "pure",
    "orders.begin": "within a verb's transaction",
    "orders.end_unless_performing": "within a transaction of the jobs",
    "orders.worklist_item": "pure",
    "orders.worklist_keys": "pure",
    "orders.first": "pure",
    "orders.first_item": "pure",
    "orders.items": "pure",
    "processes.collect_seldom": "of this process",
    "processes.context_with": "of this process",
    "processes.end_with_parent": "of this process",
    "processes.set_at": "of this process",
    "processes.told_to": "of this process",
    "processes.keep_memory": "of this process",
    "processes.leave_interrupts_to_parent": "of this process",
    "processes.take_short_turns": "of this process",
    "reindex.filled": "pure",
    "retrieve.objects": "of what a verb gave",
    "store.fits_group": "pure",
    "retrieve.pieces": "of a source that a verb gave",
    "retrieve.stored_transfer_syntaxes": "pure",
    "retrieve.whole_content": "pure",
    "retrieve.unpack_metadata": "pure",
    "store.refused": "pure",
    "store.store_all": "of senders who were asked",
    "store.read_pieces": "of a source that somebody sends",
    "streams.assembled": "of pieces that a verb gave",
    "streams.part_of": "of pieces that a verb gave",
    "transfers.add": "within a verb's transaction, or the jobs'",
    "transfers.back_off_s": "pure",
}
"""Functions that are no verbs: they are given nothing of the archive, or what a verb has given."""


VERBS = dict(public_functions("archive"))


def first_line(function: ast.FunctionDef) -> str:
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return ast.unparse(body[0])


# The last is of what must not wait, and leaves a refusal to who may.
QUESTIONS = ("archive.permit(Act.", "desk.permit(Act.", "if not archive.viewed_ready(")


def asks(line: str) -> bool:
    return line.startswith(QUESTIONS)


@pytest.mark.parametrize("name", sorted(VERBS.keys() - HELPERS.keys()))
def test_a_verb_asks_the_policy_in_its_first_line(name: str) -> None:
    assert asks(first_line(VERBS[name])), (
        f"archive/{name} asks nobody: its first line is to be archive.permit(Act....), or it is a "
        "helper and named so in this test"
    )


def test_a_helper_is_there_and_asks_nobody() -> None:
    assert HELPERS.keys() <= VERBS.keys()
    assert not [name for name in HELPERS if asks(first_line(VERBS[name]))]


def test_the_file_of_an_instance_is_for_who_may_view() -> None:
    tree = ast.parse((PROGRAM / "archive" / "retrieve.py").read_text(encoding="utf-8"))
    (file,) = (
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "InstanceFile"
    )
    (made,) = (
        node for node in file.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    assert first_line(made) == "archive.permit(Act.VIEW)"
