"""`?resolution=N`: frames as the beginnings of their codestreams."""

import os

import httpx
import numpy as np
import pytest

from dicomweb_server.archive.upkeep import settle
from dicomweb_server.dicom.codecs import reduced
from tests.dicom.build import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_UID
from tests.web.conftest import Server
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, parts_of, put

JPHC = "multipart/related; type=image/jphc"
HTJ2K = "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"


def slices(count: int) -> list[bytes]:
    """Instances 1.5.1 on, 160 x 160, no two alike."""
    ramp = np.add.outer(np.arange(160), np.arange(160))
    frames = [((ramp * (n + 3)) % 4096).astype("<u2").tobytes() for n in range(count)]
    return [image(n + 1, rows=160, columns=160, pixel_data=each) for n, each in enumerate(frames)]


@pytest.fixture
def stored(server: Server, http: httpx.Client) -> httpx.Client:
    put(http, *slices(5))
    settle(server.archive, quiet_s=0)
    return http


@pytest.mark.parametrize("resolution", [1, 2, 4, 8, 16, 32])
def test_a_series_comes_at_a_lower_resolution_in_order(
    stored: httpx.Client, resolution: int
) -> None:
    response = stored.get(f"{SERIES}/pixeldata?resolution={resolution}", headers={"Accept": JPHC})
    assert response.headers["content-type"].startswith('multipart/related; type="image/jphc"')
    parts = parts_of(response)
    assert len(parts) == 5
    for number, (headers, prefix) in enumerate(parts, start=1):
        assert headers["content-type"] == HTJ2K
        assert headers["content-location"].endswith(f"/instances/1.5.{number}/frames/1")
        whole = stored.get(
            f"{SERIES}/instances/1.5.{number}/frames/1", headers={"Accept": "image/jphc"}
        ).content
        assert headers["content-range"] == f"bytes 0-{len(prefix) - 1}/{len(whole)}"
        assert whole.startswith(prefix)
        halvings = resolution.bit_length() - 1
        small = reduced(prefix, halvings=halvings)
        assert small.shape == (160 // resolution,) * 2
        assert (small == reduced(whole, halvings=halvings)).all()


def test_the_rest_is_the_same_frame_from_there_on(stored: httpx.Client) -> None:
    path = f"{SERIES}/instances/1.5.2/frames/1"
    ((headers, prefix),) = parts_of(stored.get(f"{path}?resolution=8", headers={"Accept": JPHC}))
    alone = {"Accept": "image/jphc"}
    rest = stored.get(path, headers={**alone, "Range": f"bytes={len(prefix)}-"})
    assert rest.status_code == 206
    assert prefix + rest.content == stored.get(path, headers=alone).content
    total = headers["content-range"].rpartition("/")[2]
    assert rest.headers["content-range"].rpartition("/")[2] == total


def test_what_has_not_settled_is_encoded_and_is_what_it_settles_to(
    server: Server, http: httpx.Client
) -> None:
    put(http, *slices(2))
    asked = f"/studies/{STUDY_UID}/pixeldata?resolution=4"
    before = http.get(asked, headers={"Accept": ANY_SYNTAX})
    settle(server.archive, quiet_s=0)
    after = http.get(asked, headers={"Accept": ANY_SYNTAX})
    assert [content for _, content in parts_of(before)] == [each for _, each in parts_of(after)]
    assert before.headers["etag"] == after.headers["etag"]
    tag = {"Accept": ANY_SYNTAX, "If-None-Match": after.headers["etag"]}
    assert http.get(asked, headers=tag).status_code == 304


def test_a_frame_htj2k_does_not_carry_comes_whole_without_a_range(
    server: Server, http: httpx.Client
) -> None:
    content = os.urandom(4 * 64)
    put(http, image(1, bits_allocated=32, rows=8, columns=8, pixel_data=content))
    put(http, *slices(2)[1:])
    settle(server.archive, quiet_s=0)
    (whole, lowered) = parts_of(http.get(f"{SERIES}/pixeldata?resolution=8"))
    assert whole[1] == content
    assert whole[0]["content-type"].endswith(EXPLICIT_VR_LITTLE_ENDIAN)
    assert "content-range" not in whole[0]
    assert lowered[0]["content-type"] == HTJ2K


@pytest.mark.parametrize("value", ["", "0", "3", "64", "x", "8.0"])
def test_another_resolution_is_400_naming_those_there_are(stored: httpx.Client, value: str) -> None:
    response = stored.get(f"{SERIES}/pixeldata?resolution={value}")
    assert response.status_code == 400
    assert "1, 2, 4, 8, 16, 32" in response.json()["detail"]


def test_who_takes_no_htj2k_gets_406(stored: httpx.Client) -> None:
    octets = "multipart/related; type=application/octet-stream"
    accept = f"{octets}; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"
    response = stored.get(f"{SERIES}/pixeldata?resolution=8", headers={"Accept": accept})
    assert response.status_code == 406


def test_frames_of_nothing_are_404(http: httpx.Client) -> None:
    assert http.get(f"{SERIES}/pixeldata?resolution=8").status_code == 404
