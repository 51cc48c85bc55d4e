"""The first page, as a browser shows it: headless Chromium, two languages, a phone's width."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.dicom.build import part10
from tests.web.bodies import CONTENT_TYPE, related
from tests.web.browser import CHROMIUM, Browser
from tests.web.conftest import Server


@pytest.fixture
def studies(server: Server, http: httpx.Client) -> Server:
    """Thirty studies of a patient each, the newest by 张伟 with five slices."""
    shape = np.add.outer(np.arange(64), np.arange(64)).astype("<u2")
    parts = [
        part10(
            study_uid="1.9",
            series_uid="1.9.1",
            instance_uid=f"1.9.1.{n}",
            rows=64,
            columns=64,
            pixel_data=(shape * n).tobytes(),
            InstanceNumber=str(n),
            PatientID="B-1",
            PatientName="Zhang^Wei=张^伟",
            StudyDate="20250101",
            StudyDescription="胸部平扫",
        )
        for n in range(1, 6)
    ]
    parts += [
        part10(
            study_uid=f"1.1.{n}",
            series_uid=f"1.1.{n}.1",
            instance_uid=f"1.1.{n}.1.1",
            PatientName=f"Doe^Number {n}",
            PatientID=f"A-{n}",
            StudyDate=f"202401{n:02}",
        )
        for n in range(1, 30)
    ]
    response = http.post(
        "/studies", content=related(*parts), headers={"Content-Type": CONTENT_TYPE}
    )
    assert response.status_code == 200
    return server


@pytest.fixture
def page(studies: Server) -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and nothing is skipped in CI")
        pytest.skip("Chromium is missing: tests/install-tools installs it")
    with Browser(width=1280, height=900) as opened:
        opened.open(studies.url)
        opened.wait("document.querySelectorAll('.study').length == 25")
        yield opened


def names(page: Browser) -> list[str]:
    found: list[str] = page.run(
        "[...document.querySelectorAll('.who strong')].map(e => e.firstChild.textContent)"
    )
    return found


def test_studies_are_listed_newest_first_and_paged(page: Browser) -> None:
    assert names(page)[:2] == ["张伟", "Doe Number 29"]
    page.run("document.getElementById('older').click()")
    page.wait("document.querySelectorAll('.study').length == 5")
    assert names(page)[-1] == "Doe Number 1"
    assert page.run("document.getElementById('older').disabled")


def test_a_name_is_searched_as_it_is_typed_in_either_script(page: Browser) -> None:
    page.run("document.querySelector('[name=PatientName]').focus()")
    page.enter("zhang wei")
    page.wait("document.querySelectorAll('.study').length == 1")
    page.run("document.querySelector('[name=PatientName]').value = ''")
    page.enter("张伟")
    page.wait("document.querySelectorAll('.study').length == 1")
    assert names(page) == ["张伟"]


def test_nothing_is_searched_while_an_input_method_composes(page: Browser) -> None:
    page.run("document.querySelector('[name=PatientName]').focus()")
    before = len(page.requests)
    page.call("Input.imeSetComposition", text="zhang", selectionStart=5, selectionEnd=5)
    page.run("new Promise(resolve => setTimeout(resolve, 600))")
    assert [url for url in page.requests[before:] if "/studies?" in url] == []
    page.enter("张")
    page.wait("document.querySelectorAll('.study').length == 1")


def test_a_study_opens_to_its_middle_slice_and_slices_are_paged(page: Browser) -> None:
    page.run("document.querySelector('.study-head').click()")
    page.wait("document.querySelector('.slice img')?.naturalWidth")
    page.run("document.querySelector('.slice').click()")
    page.wait("document.getElementById('enlarged-position').textContent == '3 / 5'")
    page.run("document.getElementById('next').click()")
    page.wait("document.getElementById('enlarged-position').textContent == '4 / 5'")
    page.wait("document.getElementById('enlarged-image').naturalWidth == 64")


def test_the_page_speaks_chinese_and_remembers_it(page: Browser, studies: Server) -> None:
    page.run("document.querySelector('[data-language=zh]').click()")
    page.wait("document.documentElement.lang == 'zh-CN'")
    assert page.run("document.querySelector('h1').textContent") == "影像归档"
    page.open(studies.url)
    page.wait("document.querySelector('h1')?.textContent == '影像归档'")


def test_the_page_asks_nobody_else_and_breaks_no_rule_of_its_own(
    page: Browser, studies: Server
) -> None:
    page.wait("document.querySelector('#totals').textContent")
    outside = [u for u in page.requests if not u.startswith((studies.url, "data:image/svg+xml"))]
    assert outside == []
    assert [said for said in page.complaints if "thumbnail" not in said] == []


def test_the_page_fits_a_phone(studies: Server, page: Browser, tmp_path: Path) -> None:
    with Browser(width=390, height=844, language="zh-CN") as phone:
        phone.open(studies.url)
        phone.wait("document.querySelector('.study')")
        phone.run("document.querySelector('.study-head').click()")
        phone.wait("document.querySelector('.slice img')?.naturalWidth")
        assert phone.run("document.documentElement.scrollWidth") <= 390
        phone.screenshot(tmp_path / "phone.png")
        assert (tmp_path / "phone.png").stat().st_size > 10_000


def test_static_files_have_a_policy_and_an_etag(server: Server) -> None:
    first = httpx.get(server.url)
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in first.headers["content-security-policy"]
    assert "{{" not in first.text
    assert 'content="/dicom-web"' in first.text
    script = httpx.get(f"{server.url}/static/main.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    again = httpx.get(
        f"{server.url}/static/main.js", headers={"If-None-Match": script.headers["etag"]}
    )
    assert again.status_code == 304
    for path in ("/static/../__init__.py", "/static/nothing.js", "/static/"):
        assert httpx.get(server.url + path).status_code == 404
