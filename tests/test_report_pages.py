"""The pages of the report module in Chromium, on a real server with accounts: people sign in,
write, sign, correct, administrate. What they check is written in `viewer/tests/reporting`."""

from pathlib import Path

from tests.reading.hospital import SETTINGS
from tests.reading.people import PASSWORD, hired
from tests.servers import serving
from tests.test_viewer import BROWSER, missing, node, passed, vitest

__all__ = ["node"]


def test_report_pages_in_a_browser(node: list[str], tmp_path: Path) -> None:
    if BROWSER is None:
        missing("Chromium is missing: tests/install-tools installs it")
    data = tmp_path / "archive"
    hired(data)
    with serving(data, *SETTINGS) as (_, url):
        passed(
            vitest(
                node,
                "tests/reporting",
                VIEWER_URL=url,
                VIEWER_PASSWORD=PASSWORD,
                CHROMIUM=str(BROWSER),
            )
        )
