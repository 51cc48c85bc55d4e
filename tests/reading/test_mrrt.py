"""IHE MRRT templates in and out; whatever else is in such a file is left there."""
# ruff: noqa: E501

import time
from contextlib import suppress

import pytest

from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.mrrt import BYTES_LIMIT, html_of, template_from
from dicomweb_server.reading.template import Template, template_of
from dicomweb_server.reading.templates import starting_set

CT_CHEST = """<!DOCTYPE html>
<html>
<head>
<title>CT Chest Nodule</title>
<meta charset="UTF-8">
<meta name="dcterms.title" content="CT Chest Nodule" />
<meta name="dcterms.identifier" content="http://www.radreport.org/template/0000015" />
<meta name="dcterms.language" content="en" />
<meta name="dcterms.type" content="IMAGE_REPORT_TEMPLATE" />
<link rel="stylesheet" href="http://tracker.example.org/x.css">
<script src="http://tracker.example.org/x.js"></script>
<script type="text/xml">
  <template_attributes>
    <top-level-flag>true</top-level-flag>
    <status>ACTIVE</status>
    <coding_schemes><coding_scheme name="RADLEX" designator="2.16.840.1.113883.6.256"/></coding_schemes>
    <term><code meaning="computed tomography" value="RID10321" scheme="RADLEX"/></term>
  </template_attributes>
</script>
<style>body { background: url(http://tracker.example.org/y) }</style>
</head>
<body onload="alert(1)">
<section id="T1" class="level1" data-section-name="Procedure Information">
  <header class="level1">Procedure Information</header>
  <p><textarea id="T1_1" name="Procedure" data-field-type="TEXT">Helical CT of the chest.</textarea></p>
</section>
<section id="T2" class="level1" data-section-name="Findings">
  <header class="level1">Findings</header>
  <p>The lungs are <b onclick="steal()">clear</b> otherwise. A &lt; B.</p>
  <p><label for="T2_1">Lobe:</label>
    <select id="T2_1" name="Lobe" data-field-type="SELECTION_LIST" data-field-completion-action="ALERT">
      <option name="T2_1_1" value="rul">Right upper lobe</option>
      <option name="T2_1_2" value="rml" selected="selected">Right middle lobe</option>
    </select>
    <img src="http://tracker.example.org/z.png" onerror="alert(2)">
  </p>
  <p><label for="T2_2">Size</label> <input type="number" id="T2_2" name="Size" data-field-units="mm" value="8.5"></p>
  <p><label for="T2_3">Spiculated</label> <input type="checkbox" id="T2_3" name="Spiculated" checked></p>
  <p><input type="radio" name="Stable" value="yes"> yes <input type="radio" name="Stable" value="no" checked> no</p>
  <p><input type="date" name="Prior date"></p>
  <script>document.location = "http://tracker.example.org/"</script>
  <iframe src="http://tracker.example.org/">inner</iframe>
</section>
<section id="T3" class="level1" data-section-name="Impression">
  <header class="level1">Impression</header>
  <p><textarea id="T3_1" name="Impression" data-field-type="TEXT"></textarea></p>
</section>
</body>
</html>
"""


def imported(html: str) -> Template:
    return template_of(template_from(html.encode()), template_id="t", version=1)


def test_names_texts_and_fields_are_read() -> None:
    made = imported(CT_CHEST)
    assert (made.title, made.language, made.status) == ("CT Chest Nodule", "en", "ACTIVE")
    assert made.modality == "CT"
    assert made.sections["technique"] == "Helical CT of the chest."
    assert made.sections["findings"].startswith("The lungs are clear otherwise. A < B.")
    assert "impression" not in made.sections
    fields = {each.name: each for each in made.fields}
    lobe = fields["Lobe"]
    assert (lobe.label, lobe.type, lobe.required) == ("Lobe", "choice", True)
    assert lobe.choices == ("Right upper lobe", "Right middle lobe")
    assert lobe.default == "Right middle lobe"
    size = fields["Size"]
    assert (size.type, size.unit, size.default) == ("number", "mm", 8.5)
    assert (fields["Spiculated"].type, fields["Spiculated"].default) == ("flag", True)
    stable = fields["Stable"]
    assert (stable.type, stable.choices, stable.default) == ("choice", ("yes", "no"), "no")
    assert fields["Prior_date"].type == "date"
    assert {each.section for each in made.fields} == {"findings"}


def test_scripts_handlers_and_references_are_not_kept() -> None:
    made = imported(CT_CHEST)
    for text in (str(made), html_of(made)):
        for unwanted in ("tracker", "alert", "steal", "onload", "onclick", "inner", "location"):
            assert unwanted not in text


@pytest.mark.parametrize("name", [name for name, _ in starting_set("templates")])
def test_what_is_exported_is_imported_as_it_was(name: str) -> None:
    made = template_of(dict(starting_set("templates"))[name], template_id=name, version=1)
    back = template_of(template_from(html_of(made).encode()), template_id=name, version=1)
    assert back == made


def test_hostile_texts_are_texts_when_exported() -> None:
    said = {
        "title": "</title><script>alert(1)</script>",
        "language": "en",
        "sections": {"findings": '"><img src=x onerror=alert(1)> & <b>'},
        "fields": [{"name": "a", "label": "<i>", "default": '"><script>'}],
    }
    made = template_of(said, template_id="t", version=1)
    html = html_of(made)
    assert "<script>alert" not in html and "<img" not in html and "<i>" not in html
    back = template_of(template_from(html.encode()), template_id="t", version=1)
    assert back == made


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no html",
        b"<html><body>x</body></html>",
        b"\xff\xfe",
        b"x" * (BYTES_LIMIT + 1),
    ],
)
def test_what_is_no_mrrt_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        template_of(template_from(body), template_id="t", version=1)
    assert refused.value.name == "malformed"


@pytest.mark.parametrize("end", ["", ">", "-->", "'>"])
def test_any_nesting_is_read_in_a_time_its_length_explains(end: str) -> None:
    head = '<html><head><meta name="dcterms.title" content="x"></head><body>'
    for piece in (
        "<section>", "<p>", "</section>", "<label for=x>", "<select name=a>", "<option>a",
        "<input name=b type=radio value=c>", "<textarea name=c>", "<script>", "<!--", "<![", "<?",
        "<section data-section-name=Findings>x</section>", "&", "&#", "<", "</", "<a ", "<a b='",
        "<b x=1 ", "<title>", "<svg>", "<a b='>", "<!-->", "<!--->", "< >", "\n",
    ):  # fmt: skip
        started = time.process_time()
        body = head + piece * ((BYTES_LIMIT - 200) // len(piece)) + end
        with suppress(Refused):
            template_of(template_from(body.encode()), template_id="t", version=1)
        assert time.process_time() - started < 10, piece
