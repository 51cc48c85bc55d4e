"""Every verb of the report module asks the policy: in its first line, or in the first line of the
transaction that would also record the refusal."""

import ast

import pytest

from tests.verbs import public_functions

HELPERS: dict[str, str] = {
    "acting.allowed": "of a caller that a verb has asked about",
    "acting.permit": "the question itself, by action",
    "acting.presence": "within a verb's transaction",
    "emitted.permit_recalled": "within a verb's reading, of a caller it has asked about",
    "intake.complete": "of the program's own process",
    "intake.mark": "of the program's own process",
    "intake.read_changes": "of the program's own process",
    "intake.run": "of the program's own process",
    "intake.take": "of the program's own process",
    "reading.attempted": "does what a verb gives it",
    "reading.refused": "records a refusal",
    "shown.possible": "within a verb's transaction",
    "shown.report_document": "within a verb's transaction",
    "situation.late_images": "within a verb's transaction",
    "situation.findings": "within a verb's transaction",
    "situation.subject": "within a verb's transaction",
    "verification.verify": "of the command line; verification.verified is the verb",
}
"""Functions that are no verbs: the program's own, or what verbs are made of."""


VERBS = {
    name: function
    for name, function in public_functions("reading")
    if function.args.args and function.args.args[0].arg == "reading"
}
"""Those that are given the report module as somebody sees it."""


def asks(function: ast.FunctionDef) -> bool:
    """Whether the first line, or that of a function defined in it, asks."""
    bodies = [each.body for each in ast.walk(function) if isinstance(each, ast.FunctionDef)]
    firsts = [
        body[1] if ast.get_docstring(function) and body is function.body else body[0]
        for body in bodies
    ]
    return any("permit(" in ast.unparse(line) for line in firsts)


@pytest.mark.parametrize("name", sorted(VERBS.keys() - HELPERS.keys()))
def test_a_verb_of_the_report_module_asks_the_policy_first(name: str) -> None:
    assert asks(VERBS[name]), f"reading/{name} asks nobody: let it call permit first"


def test_a_helper_is_there_and_asks_nobody() -> None:
    assert HELPERS.keys() <= VERBS.keys()
    assert not [name for name in HELPERS if asks(VERBS[name])]
