"""The rules, a module for each transaction or topic. Importing a module registers its rules."""

from importlib import import_module

MODULES = (
    "query",
    "negotiation",
    "capabilities",
    "uri",
    "instances",
    "metadata",
    "rendered",
    "bulkdata",
    "frames",
    "store",
    "search",
    "json_model",
    "http",
    "cors",
)


def every_module() -> None:
    for name in MODULES:
        import_module(f"tests.conformance.checks.{name}")
