"""A line has the rate and the round trip it was asked for, with the kernel's own TCP over it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from benchmarks.fetch import fetched
from tests.benchmarks.over_a_line import BODY

CANNOT = os.geteuid() != 0 or shutil.which("tc") is None


@pytest.mark.skipif(CANNOT and os.environ.get("CI") != "true", reason="a line needs root and tc")
@pytest.mark.parametrize(("mbit", "round_trip_ms"), [(40, 0.0), (40, 30.0)])
def test_a_line_keeps_its_rate_and_its_round_trip(mbit: int, round_trip_ms: float) -> None:
    over = [sys.executable, "-m", "tests.benchmarks.over_a_line", str(mbit), str(round_trip_ms)]
    run = subprocess.run(["unshare", "--net", *over], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    came = json.loads(run.stdout)
    assert came["bytes"] == 30 * len(BODY)
    # A bucket of 128 KiB goes at once, so a little more than the rate is seen, never much more.
    assert came["bytes"] / came["seconds"] < 1.1 * came["capacity"]
    assert came["connect_s"] >= round_trip_ms / 1e3
    assert came["connect_s"] < round_trip_ms / 1e3 + 0.5


def test_who_does_not_answer_200_fails_the_fetch() -> None:
    with pytest.raises(RuntimeError, match="1 of 1 requests failed"):
        fetched("127.0.0.1", 1, paths=["/"], headers=[], connections=1)
