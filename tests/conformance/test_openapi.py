"""What /openapi.json describes, asked for in ways nobody here thought of (schemathesis): whatever
the parameters, headers and paths, an answer below 500, and an answer."""

import subprocess
import sys
from pathlib import Path

from tests.servers import serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_no_request_of_the_openapi_document_is_a_fault_of_the_server(tmp_path: Path) -> None:
    with serving(tmp_path / "archive") as (_, url):
        done = subprocess.run(
            [
                SCHEMATHESIS,
                "run",
                f"{url}/openapi.json",
                "--checks=not_a_server_error",
                "--phases=fuzzing",
                "--max-examples=25",
                "--generation-deterministic",
                "--request-timeout=20",
                "--suppress-health-check=all",
                # multipart/related is nothing it can write; tests/web/test_fuzz.py sends those.
                "--exclude-method=POST",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
