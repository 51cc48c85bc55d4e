"""OHIF 3.13.2, unmodified, reads from the archive and writes to it, in headless Chromium.

What is shown is compared with the pixels that were stored, what is saved with what the archive then
has. Left out: volume rendering (SwiftShader takes minutes a picture). A patient's name in Chinese
finds the study here, but OHIF then filters the answer once more by the Latin name that it shows.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from tests.clients.material import (
    CT_NOW,
    CT_PRIOR,
    ECG,
    MR_HEAD,
    SLICES,
    UPLOADED,
    files,
    uploaded,
)
from tests.clients.npm import lacking, package
from tests.clients.ohif import VERSION, site
from tests.clients.page import WAIT_S, Box, Page, Picture
from tests.servers import ROOT, wait_for
from tests.web.bodies import CONTENT_TYPE, related, taken_apart
from tests.web.browser import CHROMIUM

ARTEFACTS = ROOT / "artefacts" / "ohif"
WIDE, NORMAL = (1800, 900), (1280, 800)
"""The study list shows all its columns only on a wide screen."""

PANE = "[data-cy=viewport-pane]"
POSITION = "document.querySelector('[data-cy=viewport-overlay-bottom-right]')?.innerText"
WINDOW_CENTER, WINDOW_WIDTH = 40.0, 400.0
PIXEL_MM, STEP_MM = 400 / 512, 3.0


@dataclass(frozen=True)
class Ohif:
    """OHIF in a browser, and the archive it shows."""

    url: str
    page: Page
    archive: httpx.Client
    volume: npt.NDArray[np.int16]
    """The CT in Hounsfield units: (slices, rows, columns)"""

    def study_list(self) -> None:
        self.page.size(*WIDE)
        self.page.open(self.url)
        self.page.wait(f"{listed()}.length > 3")

    def view(self, *study_uids: str, **query: str) -> None:
        """Opens studies, until the first image is drawn."""
        self.page.size(*NORMAL)
        more = "".join(f"&{name}={value}" for name, value in query.items())
        self.page.open(f"{self.url}/viewer?StudyInstanceUIDs={','.join(study_uids)}{more}")
        self.page.wait(f"/\\b1\\//.test({POSITION})")
        self.until_drawn()

    def panes(self) -> list[Box]:
        boxes: list[list[float]] = self.page.run(
            f"[...document.querySelectorAll('{PANE}')].map(e => e.getBoundingClientRect())"
            ".map(r => [r.left, r.top, r.width, r.height])"
        )
        return [(left, top, width, height) for left, top, width, height in boxes]

    def shown(self, pane: int = 0) -> Picture:
        return self.page.picture(self.panes()[pane])

    def until_drawn(self, pane: int = 0) -> None:
        """Until a pane shows something, and the same on two looks."""
        self.page.settle(lambda: self.panes()[pane])

    def scroll_to(self, number: int) -> None:
        """To another slice, with the wheel; again for the turns that OHIF misses while it lays out
        its panes anew."""
        left, top, width, height = self.panes()[0]
        until = time.monotonic() + WAIT_S
        while (at := self.slice()) != number:
            assert time.monotonic() < until, f"slice {at} is shown, not {number}"
            self.page.wheel(left + width / 2, top + height / 2, number - at)
            self.page.run("new Promise(resolve => setTimeout(resolve, 500))")
        self.until_drawn()

    def slice(self) -> int:
        """The number of the slice that is shown."""
        self.page.wait(f"{POSITION}.includes('/{SLICES})')")
        number: int = self.page.run(f"Number(/\\((\\d+)\\//.exec({POSITION})[1])")
        return number

    def open_series(self, label: str) -> None:
        """Double-clicks what the study browser shows without a thumbnail."""
        self.page.click(
            "[...document.querySelectorAll('[data-cy=study-browser-thumbnail-no-image]')]"
            f".find(e => e.innerText.includes('{label}'))",
            times=2,
        )

    def answer(self, part: str) -> set[str]:
        """Accession Numbers that the archive gives for the search that OHIF made of a filter.

        OHIF filters by itself what it has, and asks a moment later.
        """
        until = time.monotonic() + WAIT_S
        while not (asked := [url for url in self.page.requests if part in url]):
            assert time.monotonic() < until, f"OHIF did not ask for {part}"
            self.page.run("new Promise(resolve => setTimeout(resolve, 50))")
        reply = self.archive.get(asked[-1])
        return {study["00080050"]["Value"][0] for study in reply.json()}

    def keep(self, name: str) -> None:
        """What is shown now, for people to look at."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(ARTEFACTS / f"{name}.png")

    def find(self, path: str, **query: str) -> list[dict[str, Any]]:
        reply = self.archive.get(path, params=query)
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json() if reply.content else []
        return found

    def instance(self, found: dict[str, Any]) -> bytes:
        """The stored file of an instance that was found."""
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        reply = self.archive.get(found["00081190"]["Value"][0], headers={"Accept": accept})
        reply.raise_for_status()
        ((_, file),) = taken_apart(reply.headers["content-type"], reply.content)
        return file


@pytest.fixture(scope="module")
def stored() -> list[bytes]:
    return list(files())


@pytest.fixture(scope="module")
def origin(
    stored: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, httpx.Client]]:
    dist = package("@ohif/app", VERSION) / "dist"
    with (
        site(dist, tmp_path_factory.mktemp("ohif") / "archive") as url,
        httpx.Client(base_url=f"{url}/dicom-web", timeout=60, trust_env=False) as archive,
    ):
        body = related(*stored)
        reply = archive.post("/studies", content=body, headers={"Content-Type": CONTENT_TYPE})
        assert reply.status_code == 200, reply.text
        yield url, archive


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    if CHROMIUM is None:
        lacking("Chromium is missing: tests/install-tools installs it")
    with Page(width=1280, height=800) as page:
        # Who has seen the tour of the viewer is not shown it again.
        seen = json.dumps(json.dumps(["basicViewerTour"]))
        page.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source=f"try {{ localStorage.setItem('shownTours', {seen}) }} catch {{}}",
        )
        yield page


@pytest.fixture
def ohif(
    origin: tuple[str, httpx.Client],
    browser: Page,
    stored: list[bytes],
    request: pytest.FixtureRequest,
) -> Iterator[Ohif]:
    """After every test: nobody else was asked for anything, and the console is clean."""
    url, archive = origin
    ct = [dcmread(io.BytesIO(file)).pixel_array for file in islice(stored, SLICES)]
    browser.requests.clear()
    browser.complaints.clear()
    made = Ohif(url, browser, archive, np.stack(ct) - np.int16(1024))
    yield made
    made.keep(request.node.name.removeprefix("test_"))
    own = (url, "data:", f"blob:{url}", "chrome-extension:", "about:")
    assert [asked for asked in browser.requests if not asked.startswith(own)] == []
    assert browser.complaints == []


def windowed(hounsfield: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """As the window shows them, 0 to 1."""
    low = WINDOW_CENTER - WINDOW_WIDTH / 2
    return np.clip((hounsfield.astype(np.float64) - low) / WINDOW_WIDTH, 0, 1)


def sampled(
    picture: Picture, *, rows: int, columns: int, row_mm: float, column_mm: float, scale: float
) -> Picture:
    """The colours where a picture shows the pixels of a plane centred in it.

    scale  CSS pixels per mm
    """
    y = picture.shape[0] / 2 + (np.arange(rows) - (rows - 1) / 2) * row_mm * scale
    x = picture.shape[1] / 2 + (np.arange(columns) - (columns - 1) / 2) * column_mm * scale
    # What lies outside the pane is black.
    inside = np.ix_((y >= 0) & (y <= picture.shape[0] - 1), (x >= 0) & (x <= picture.shape[1] - 1))
    colours = np.zeros((rows, columns, 3), np.uint8)
    rounded_y = np.clip(np.rint(y), 0, picture.shape[0] - 1).astype(int)
    rounded_x = np.clip(np.rint(x), 0, picture.shape[1] - 1).astype(int)
    colours[inside] = picture[np.ix_(rounded_y, rounded_x)][inside]
    return colours


def axial(picture: Picture) -> Picture:
    """The colours where an axial slice is shown, fitted into the pane."""
    scale = min(picture.shape[:2]) / 400
    return sampled(picture, rows=512, columns=512, row_mm=PIXEL_MM, column_mm=PIXEL_MM, scale=scale)


def likeness(colours: Picture, hounsfield: npt.NDArray[Any]) -> float:
    """Correlation between what is shown and what should be."""
    return float(np.corrcoef(colours.mean(-1).ravel(), windowed(hounsfield).ravel())[0, 1])


def greenish(colours: Picture) -> npt.NDArray[np.bool_]:
    wide = colours.astype(int)
    green: npt.NDArray[np.bool_] = (wide[..., 1] - np.maximum(wide[..., 0], wide[..., 2])) > 40
    return green


# The study list


def listed() -> str:
    """The rows that are studies: the first one of the table holds the filters."""
    return (
        "[...document.querySelectorAll('tbody tr')].filter(e => /A?20\\d{9}|U1/.test(e.innerText))"
    )


def accessions(ohif: Ohif) -> set[str]:
    texts: list[str] = ohif.page.run(f"{listed()}.map(e => e.innerText)")
    known = {study.accession for study in (CT_NOW, CT_PRIOR, MR_HEAD, ECG)}
    return {accession for accession in known if any(accession in text for text in texts)}


FILTERS = {
    "name": (0, "zhang", {CT_NOW, CT_PRIOR}, "PatientName=*zhang*"),
    "name with an umlaut": (0, "müller", {MR_HEAD}, "PatientName=*m%C3%BCller*"),
    "identifier": (1, "0002", {MR_HEAD}, "00100020=*0002*"),
    "description": (5, "chest with", {CT_PRIOR}, "StudyDescription=*chest%20with*"),
    "accession": (6, "20250415", {ECG}, "AccessionNumber=*20250415*"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_the_study_list_filters_by_text(ohif: Ohif, name: str) -> None:
    field, text, studies, asked = FILTERS[name]
    ohif.study_list()
    assert len(accessions(ohif)) == 4
    ohif.page.type(f"document.querySelectorAll('table input')[{field}]", text)
    ohif.page.wait(f"{listed()}.length == {len(studies)}")
    assert ohif.answer(f"/studies?{asked}&") == {study.accession for study in studies}
    assert accessions(ohif) == {study.accession for study in studies}


def test_the_study_list_filters_by_date(ohif: Ohif) -> None:
    ohif.study_list()
    for field, date, left in ((2, "2025-04-15", 3), (3, "2025-06-03", 2)):
        ohif.page.type(f"document.querySelectorAll('table input')[{field}]", date)
        ohif.page.key("Enter", 13)
        known = "|".join(study.accession for study in (CT_NOW, CT_PRIOR, MR_HEAD, ECG))
        ohif.page.wait(
            f"{listed()}.filter(e => /{known}/.test(e.innerText)).length == {left}",
            timeout_s=WAIT_S,
        )
    wanted = {MR_HEAD.accession, ECG.accession}
    assert ohif.answer("&StudyDate=20250415-20250603") - {UPLOADED.accession} == wanted
    assert accessions(ohif) == wanted


def test_the_study_list_filters_by_modality_and_is_reset(ohif: Ohif) -> None:
    ohif.study_list()
    ohif.page.click("document.querySelectorAll('table input')[4]")
    option = "[...document.querySelectorAll('[role=option]')].find(e => e.innerText == '{}')"
    ohif.page.click(option.format("ECG"))
    ohif.page.wait(f"{listed()}.length == 1")
    assert ohif.answer("/studies?ModalitiesInStudy=ECG&") == {ECG.accession}
    assert accessions(ohif) == {ECG.accession}
    ohif.page.key("Escape", 27)
    ohif.page.click("document.querySelector('[aria-label=\"Reset filters\"]')")
    ohif.page.wait(f"{listed()}.length > 3")


def test_a_study_shows_its_series_in_the_list_and_opens(ohif: Ohif) -> None:
    ohif.study_list()
    ohif.page.click(f"{listed()}.find(e => e.innerText.includes('{CT_NOW.accession}'))")
    ohif.page.wait("document.body.innerText.includes('CAP portal venous')")
    ohif.page.click(
        "[...document.querySelectorAll('button')].find(e => e.innerText == 'Basic Viewer')"
    )
    ohif.page.wait(f"{POSITION}?.includes('(1/{SLICES})')")
    ohif.until_drawn()
    assert CT_NOW.study_uid in ohif.page.run("location.href")


# Images


def test_a_ct_is_scrolled(ohif: Ohif) -> None:
    ohif.view(CT_NOW.study_uid)
    first = axial(ohif.shown())
    assert likeness(first, ohif.volume[0]) > 0.97
    ohif.scroll_to(20)
    later = axial(ohif.shown())
    assert likeness(later, ohif.volume[19]) > 0.97
    assert likeness(later, ohif.volume[0]) < 0.9


def test_a_ct_is_reconstructed_in_three_planes(ohif: Ohif) -> None:
    ohif.view(CT_NOW.study_uid)
    ohif.page.click("document.querySelector('[data-cy=layout-button]')")
    ohif.page.click("document.querySelector('[data-cy=MPR]')")
    ohif.page.wait(f"document.querySelectorAll('{PANE}').length == 3")
    for pane in range(3):
        ohif.until_drawn(pane)
    across, sagittal, coronal = (ohif.shown(pane) for pane in range(3))
    assert likeness(axial(across), ohif.volume[SLICES // 2]) > 0.95
    planes = ohif.volume[:, :, 256], ohif.volume[:, 256, :]
    for shown, picture in enumerate((sagittal, coronal)):
        scale = picture.shape[1] / 400
        colours = sampled(
            picture, rows=SLICES, columns=512, row_mm=STEP_MM, column_mm=PIXEL_MM, scale=scale
        )
        assert likeness(colours, planes[shown]) > 0.85
        assert likeness(colours, planes[1 - shown]) < 0.6


def test_a_segmentation_lies_over_its_images(ohif: Ohif, stored: list[bytes]) -> None:
    ohif.view(CT_NOW.study_uid)
    assert not greenish(axial(ohif.shown())).any()
    ohif.open_series("Lungs")
    ohif.page.click("document.querySelector('[data-cy=yes-hydrate-btn]')")
    ohif.page.wait("document.body.innerText.includes('Lungs')")
    ohif.scroll_to(9)
    (segmentation,) = (d for d in map(opened, stored) if d.Modality == "SEG")
    lungs = segmentation.pixel_array[8].astype(bool)
    green = greenish(axial(ohif.shown()))
    assert lungs.mean() > 0.005
    assert green[lungs].mean() > 0.9
    assert green[~lungs].mean() < 0.02


def test_a_report_in_pdf_is_shown(ohif: Ohif, stored: list[bytes]) -> None:
    ohif.view(CT_NOW.study_uid)
    ohif.open_series("Report")
    shown = "document.querySelector('object[type=\"application/pdf\"]')"
    ohif.page.wait(shown)
    (report,) = (d for d in map(opened, stored) if d.Modality == "DOC")
    document = report.EncapsulatedDocument[: report.EncapsulatedDocumentLength]
    digest = ohif.page.run(f"""
        fetch({shown}.data).then(r => r.arrayBuffer())
        .then(b => crypto.subtle.digest('SHA-256', b.slice(0, {len(document)})))
        .then(d => [...new Uint8Array(d)].map(n => n.toString(16).padStart(2, '0')).join(''))""")
    assert digest == hashlib.sha256(document).hexdigest()
    assert any(url.endswith("/bulkdata/00420011") for url in ohif.page.requests)
    ohif.page.settle(lambda: ohif.panes()[0], like=lambda p: (p > 250).all(-1).mean() > 0.3)
    assert (ohif.shown() < 60).all(-1).mean() > 0.005  # the letters


def test_an_electrocardiogram_is_drawn(ohif: Ohif) -> None:
    ohif.page.size(*NORMAL)
    ohif.page.open(f"{ohif.url}/viewer?StudyInstanceUIDs={ECG.study_uid}")
    ohif.page.wait(f"document.querySelector('{PANE} canvas')")
    ohif.page.settle(lambda: ohif.panes()[0], like=lambda p: beats(p) == 10)
    assert any(url.endswith("/bulkdata/54000100/0/54001010") for url in ohif.page.requests)


def beats(picture: Picture) -> int:
    """How often the traces of an ECG of a beat a second go up and down steeply."""
    trace = (picture.astype(int).min(-1) > 110)[130:620]
    steep = trace.sum(0) > 3 * max(12.0, float(np.median(trace.sum(0))))
    starts = np.flatnonzero(steep[1:] & ~steep[:-1])
    return int(1 + (np.diff(starts) > 40).sum()) if starts.size else 0


def test_two_studies_are_compared(ohif: Ohif) -> None:
    ohif.view(CT_NOW.study_uid, CT_PRIOR.study_uid, hangingprotocolId="@ohif/hpCompare")
    ohif.page.wait(
        f"document.querySelectorAll('{PANE}')[1]?.innerText.includes('(1/{SLICES // 2})')",
        timeout_s=WAIT_S,
    )
    ohif.until_drawn(1)
    texts = ohif.page.run(f"[...document.querySelectorAll('{PANE}')].map(e => e.innerText)")
    assert "18-Sep-2025" in texts[0]
    assert "11-Sep-2024" in texts[1]
    for pane, number in ((0, 0), (1, 1)):  # the earlier study has every second slice
        colours = axial(ohif.shown(pane))
        assert likeness(colours, ohif.volume[number]) > 0.9
        assert likeness(colours, ohif.volume[30]) < 0.8


def test_the_earlier_study_of_a_patient_is_offered(ohif: Ohif) -> None:
    ohif.view(CT_NOW.study_uid)
    ohif.page.wait(
        "document.querySelector('[data-cy=studyBrowser-panel]').innerText"
        f".includes('{CT_PRIOR.description}')",
        timeout_s=WAIT_S,
    )
    assert any(f"/studies?00100020={CT_NOW.patient.identifier}&" in u for u in ohif.page.requests)


# What OHIF writes


def test_a_measurement_is_saved_and_shown_again(ohif: Ohif) -> None:
    ohif.view(CT_NOW.study_uid)
    ohif.scroll_to(13)
    left, top, width, height = ohif.panes()[0]
    ohif.page.click("document.querySelector('[data-cy=Length-btn]')")
    middle = left + width / 2, top + height / 2
    ohif.page.drag(*((middle[0] + x, middle[1]) for x in (-120, -60, 70, 80)))
    length_mm = 200 / (height / 400)
    label = f"{length_mm:.0f} mm"
    ohif.page.click("document.querySelector('[data-cy=prompt-begin-tracking-yes-btn]')")
    ohif.page.wait(f"document.querySelector('{PANE}').innerText.includes('{label}')")
    ohif.page.click("document.querySelector('[data-cy=trackedMeasurements-btn]')")
    create = "[...document.querySelectorAll('button')].find(e => e.innerText == 'Create SR')"
    ohif.page.click(create)
    ohif.page.type("document.querySelector('[data-cy=dialog-input]')", "Width 胸")
    ohif.page.click(
        "[...document.querySelectorAll('[role=dialog] button')].find(e => e.innerText == 'Save')"
    )
    ohif.page.wait(
        "document.querySelector('[data-cy=studyBrowser-panel]').innerText.includes('Width 胸')",
        timeout_s=WAIT_S,
    )
    path = f"/studies/{CT_NOW.study_uid}/instances"
    # OHIF lists its report before the archive has answered.
    wait_for(lambda: len(ohif.find(path, Modality="SR")) == 1)
    (found,) = ohif.find(path, Modality="SR", SeriesDescription="Width 胸")
    report = dcmread(io.BytesIO(ohif.instance(found)))
    assert report.PatientName.ideographic == "张^伟"
    ((value, unit),) = measured(report)
    assert value == pytest.approx(length_mm, abs=1)
    assert unit == "mm"
    images = [item.ReferencedSOPInstanceUID for item in within(report, "ReferencedSOPSequence")]
    (slice_13,) = ohif.find(path, Modality="CT", InstanceNumber="13")
    assert slice_13["00080018"]["Value"] == images[-1:]

    ohif.view(CT_NOW.study_uid)
    ohif.open_series("Width 胸")
    ohif.page.click(
        "[...document.querySelectorAll('[data-cy=viewport-notification] button')]"
        ".find(e => e.innerText == 'Yes')"
    )
    ohif.page.wait(
        f"document.querySelector('{PANE}').innerText.includes('{label}')"
        f" && {POSITION}.includes('(13/{SLICES})')",
        timeout_s=WAIT_S,
    )
    ohif.until_drawn()
    picture = ohif.shown()
    row = picture[round(picture.shape[0] / 2) - 2 : round(picture.shape[0] / 2) + 3]
    wide = row.astype(int)
    line = ((wide[..., :2].max(-1) - wide[..., 2]) > 80).any(0)  # green, or yellow when chosen
    assert line[round(picture.shape[1] / 2) - 110 : round(picture.shape[1] / 2) + 70].mean() > 0.9


# What the bundled viewer writes


def test_measurements_of_the_bundled_viewer_are_shown(ohif: Ohif) -> None:
    ours = "window.reading?.session.active.value"
    ohif.page.size(*NORMAL)
    ohif.page.open(f"{ohif.url}/read.html?lang=en&study={CT_PRIOR.study_uid}")
    ohif.page.wait(f"{ours}?.pixels.value !== undefined && {ours}.rect.value.width > 0")
    ohif.page.run(f"({ours}.scrollTo(6), window.reading.session.tool.value = 'length', true)")
    ohif.page.wait(f"{ours}?.pixels.value !== undefined")
    points = ohif.page.run(f"""(() => {{
        const m = {ours}.toScreen.value;
        const b = document.querySelector('.pane').getBoundingClientRect();
        return [[120, 256], [200, 256], [320, 256]].map(([x, y]) =>
            [b.left + m[0] * x + m[4], b.top + m[3] * y + m[5]]);
    }})()""")
    ohif.page.drag(*points)
    ohif.page.click(
        "[...document.querySelectorAll('.panel button')].find(e => e.innerText.includes('SR'))"
    )
    path = f"/studies/{CT_PRIOR.study_uid}/instances"
    wait_for(lambda: len(ohif.find(path, Modality="SR")) == 1)
    (found,) = ohif.find(path, Modality="SR")
    ((value, unit),) = measured(dcmread(io.BytesIO(ohif.instance(found))))
    assert value == pytest.approx(200 * PIXEL_MM, abs=2)
    assert unit == "mm"
    # That there are no accounts to ask for is an answer of 404, which the console remarks on.
    ohif.page.complaints[:] = [said for said in ohif.page.complaints if "404" not in said]

    ohif.view(CT_PRIOR.study_uid)
    ohif.open_series("Measurements")
    ohif.page.click(
        "[...document.querySelectorAll('[data-cy=viewport-notification] button')]"
        ".find(e => e.innerText == 'Yes')"
    )
    ohif.page.wait(
        f"document.querySelector('{PANE}').innerText.includes('{value:.0f} mm')", timeout_s=WAIT_S
    )


def opened(file: bytes) -> FileDataset:
    return dcmread(io.BytesIO(file))


def within(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence, wherever it is nested."""
    items: list[Dataset] = []
    for element in dataset.iterall():
        if element.keyword == keyword:
            items += element.value
    return items


def measured(report: Dataset) -> list[tuple[float, str]]:
    """Values and units of the lengths in a structured report (PS3.16 TID 300)."""
    return [
        (
            float(item.MeasuredValueSequence[0].NumericValue),
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in within(report, "ContentSequence")
        if item.ValueType == "NUM"
    ]


def test_a_file_is_uploaded(ohif: Ohif, stored: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "image.dcm"
    file.write_bytes(uploaded(stored[0]))
    ohif.study_list()
    ohif.page.click("[...document.querySelectorAll('button')].find(e => e.innerText == 'Upload')")
    ohif.page.wait("document.querySelector('input[type=file]')")
    ohif.page.choose_files("input[type=file]", [file])
    ohif.page.wait("document.body.innerText.includes('1 file completed.')")
    ohif.keep("a_file_is_uploaded_dialogue")
    (found,) = ohif.find(f"/studies/{UPLOADED.study_uid}/instances")
    sent, arrived = opened(file.read_bytes()), opened(ohif.instance(found))
    assert arrived == sent
    assert arrived.PixelData == sent.PixelData
    ohif.study_list()
    ohif.page.wait("document.body.innerText.includes('Upload, Ursula')")
    ohif.view(UPLOADED.study_uid)
    assert likeness(axial(ohif.shown()), ohif.volume[0]) > 0.97
