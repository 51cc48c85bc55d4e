"""The rule of the layers, kept: arrows point down (ARCHITECTURE.md).

`web` and `dimse` call `archive` and `reading`; `reading` calls `archive`; `archive` calls `dicom`
and `storage`; those two call nothing of ours, but that `dicom` speaks in the values of
`storage.model`. Only what composes the program may import everything.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A layer, and the layers (or single modules) below that it may import. Longest prefix wins.
ALLOWED: dict[str, tuple[str, ...]] = {
    "storage": ("storage",),
    "dicomweb_server.dicom": ("dicomweb_server.dicom", "storage.model"),
    "dicomweb_server.records": ("dicomweb_server.records",),
    "dicomweb_server.access": (
        "dicomweb_server.access",
        "dicomweb_server.records",
        "dicomweb_server.config",
        "dicomweb_server.logs",
    ),
    "dicomweb_server.archive": (
        "dicomweb_server.archive",
        "dicomweb_server.access",
        "dicomweb_server.dicom",
        "dicomweb_server.config",
        "storage",
    ),
    "dicomweb_server.reading": (
        "dicomweb_server.reading",
        "dicomweb_server.records",
        "dicomweb_server.access",
        "dicomweb_server.archive",
        "dicomweb_server.dicom",
        "dicomweb_server.config",
        "storage.model",
        "storage.errors",
    ),
    "dicomweb_server.web": (
        "dicomweb_server.web",
        "dicomweb_server.records",
        "dicomweb_server.access",
        "dicomweb_server.archive",
        "dicomweb_server.reading",
        "dicomweb_server.dicom",
        "dicomweb_server.config",
        "dicomweb_server.__version__",
        "storage.model",
        "storage.errors",
        "viewer",
    ),
    "dicomweb_server.dimse": (
        "dicomweb_server.dimse",
        "dicomweb_server.access",
        "dicomweb_server.archive",
        "dicomweb_server.reading",
        "dicomweb_server.dicom",
        "dicomweb_server.config",
        "dicomweb_server.__version__",
        "storage.model",
        "storage.errors",
    ),
    "dicomweb_server.demo": ("dicomweb_server.demo", "dicomweb_server.dicom"),
    "dicomweb_server.config": (),
    "dicomweb_server.logs": (),
    "viewer": ("viewer",),
    # What composes the program.
    "dicomweb_server.compose": ("dicomweb_server", "storage", "viewer"),
    "dicomweb_server.cli": ("dicomweb_server", "storage", "viewer"),
    "dicomweb_server.cli_users": (
        "dicomweb_server.access",
        "dicomweb_server.records",
        "dicomweb_server.archive",
        "dicomweb_server.config",
    ),
    "dicomweb_server.__main__": ("dicomweb_server.cli",),
    "dicomweb_server.__init__": (),
}
OURS = ("storage", "dicomweb_server", "viewer")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def is_within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            if (ROOT / Path(*node.module.split("."))).is_dir():
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


SOURCES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_only_from_the_layers_below_it(path: Path) -> None:
    module = module_name(path)
    layer = max((prefix for prefix in ALLOWED if is_within(module, prefix)), key=len, default=None)
    assert layer is not None, f"{module} belongs to no layer: give it one in this test"
    for name in imported(path):
        if any(is_within(name, package) for package in OURS):
            assert any(is_within(name, prefix) for prefix in ALLOWED[layer]), (
                f"{module} imports {name}, which is above it"
            )


def test_storage_knows_neither_dicom_libraries_nor_http() -> None:
    for path in (ROOT / "storage").rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0] not in {"pydicom", "pynetdicom", "starlette", "uvicorn"}, path


def test_dicom_knows_no_http() -> None:
    for path in (ROOT / "dicomweb_server" / "dicom").rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0] not in {"starlette", "uvicorn", "pynetdicom"}, path
