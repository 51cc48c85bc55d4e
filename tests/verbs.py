"""The public functions of a package, as they are written: what the tests of the policy read."""

import ast
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "dicomweb_server"


def public_functions(package: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Those of its modules' top level, named `module.function`."""
    for path in sorted((PROGRAM / package).glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.stem}.{node.name}", node
