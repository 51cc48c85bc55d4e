"""`serve` over HTTPS, with a certificate of its own."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import command, kill_session, wait_for
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, put


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with own.pem and own.key."""
    folder = tmp_path_factory.mktemp("certificate")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=archive"
    files = "-keyout own.key -out own.pem -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(f"{made} {files}".split(), cwd=folder, check=True, capture_output=True)
    return folder


@contextmanager
def secure(data: Path, certificate: Path) -> Iterator[httpx.Client]:
    process = command(
        "serve", "--data", data, "--port", 0, "--no-dimse",
        "--tls-certificate", certificate / "own.pem", "--tls-key", certificate / "own.key",
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line[line.index("https://") :].split("/,")[0]
        trusted = ssl.create_default_context(cafile=certificate / "own.pem")
        with httpx.Client(base_url=f"{url}/dicom-web", verify=trusted, timeout=30) as client:
            wait_for(lambda: _answers(client))
            yield client
    finally:
        kill_session(process)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/studies").is_success
    except httpx.TransportError:
        return False


def test_frames_and_series_come_over_https(tmp_path: Path, certificate: Path) -> None:
    with secure(tmp_path / "data", certificate) as https:
        big = image(1, rows=512, columns=512, pixel_data=bytes(range(256)) * 2048)
        put(https, big, image(2))
        path = f"{SERIES}/instances/1.5.1/frames/1"
        replies = [https.get(path, headers={"Accept": ANY_SYNTAX}) for _ in range(3)]
        assert {each.status_code for each in replies} == {200}
        assert len({each.content for each in replies}) == 1
        assert bytes(range(256)) * 2048 in replies[2].content
        uri = https.get(f"{SERIES}/metadata").json()[0]["7FE00010"]["BulkDataURI"]
        assert uri.startswith("https://127.0.0.1:")
        assert big in https.get(SERIES).content
        with pytest.raises(httpx.TransportError):
            httpx.get(str(https.base_url.copy_with(scheme="http")), timeout=5)


def test_a_key_without_a_certificate_is_told(tmp_path: Path, certificate: Path) -> None:
    for given in (
        ["--tls-key", certificate / "own.key"],
        ["--tls-certificate", certificate / "own.key"],
        ["--tls-certificate", certificate / "none.pem"],
    ):
        process = command("serve", "--data", tmp_path / "data", "--port", 0, "--no-dimse", *given)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "tls_" in said and "Traceback" not in said
