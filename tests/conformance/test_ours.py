"""Our server holds what CONFORMANCE.md says: every rule but those that `not_yet.py` names."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.not_yet import GAPS, NOT_YET
from tests.conformance.report import DOCUMENT, document
from tests.conformance.rules import rules
from tests.conformance.run import Result, clean_up, run, set_up
from tests.conformance.site import Site
from tests.servers import serving

RULES = {rule.name: rule for rule in rules()}


@dataclass(frozen=True)
class Trial:
    """One run of the whole suite: results by name, seconds, studies that could not be deleted."""

    results: dict[str, Result]
    seconds: float
    stay: list[str]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    data = tmp_path_factory.mktemp("conformance")
    # Some rules are about clients behind a proxy, who are elsewhere: without accounts, they are
    # let in only where everybody is.
    with serving(data, "--cors-origins", "*", "--open-to-network") as (_, url):
        site = Site(url + "/dicom-web")
        began = time.monotonic()
        try:
            given = set_up(site)
            results = run(site, given, list(RULES.values()))
            stay = clean_up(site, given)
        finally:
            site.close()
        yield Trial({one.rule.name: one for one in results}, time.monotonic() - began, stay)


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_holds(trial: Trial, name: str) -> None:
    result = trial.results[name]
    rule = result.rule
    words = f"§{rule.section} ({rule.level}) {rule.sentence}"
    if name in NOT_YET:
        assert result.outcome != "passed", (
            f"{words} holds now: delete {name} from tests/conformance/not_yet.py "
            "and run python -m tests.conformance.report"
        )
    else:
        assert result.outcome == "passed", f"{words} {result.outcome}: {result.seen}"


def test_every_gap_is_a_rule_and_has_a_reason() -> None:
    assert set(NOT_YET) <= set(RULES)
    assert sum(map(len, GAPS.values())) == len(NOT_YET), "a gap is named twice"
    assert all(reason.endswith(".") for reason in GAPS)


def test_the_suite_ends_within_a_minute(trial: Trial) -> None:
    assert trial.seconds < 60


def test_the_suite_leaves_nothing_behind(trial: Trial) -> None:
    assert trial.stay == []


def test_conformance_md_is_what_the_suite_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "run python -m tests.conformance.report"
    )
