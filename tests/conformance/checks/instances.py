"""Retrieving instances: of a study, of a series, one (PS3.18 §10.4.1.1.1)."""

import io
import zipfile
from collections.abc import Iterable

from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.conformance.material import EXPLICIT, MPEG_4, VIDEO, Material, Sample, new_uid
from tests.conformance.reading import AS_STORED, DICOM, OCTETS, data_set, only_file, same_pixels
from tests.conformance.rules import INSTANCES, Failed, Registrar
from tests.conformance.site import Reply, Site

rule = Registrar(INSTANCES)


def files(reply: Reply) -> list[Dataset]:
    return [data_set(reply, part.content) for part in reply.expect(200).parts]


def exactly(reply: Reply, found: Iterable[Dataset], wanted: Iterable[Sample]) -> None:
    came = sorted(str(one.SOPInstanceUID) for one in found)
    expected = sorted(one.uid for one in wanted)
    reply.require(came == expected, f"{len(expected)} instances, each once, not {len(came)}")


def stored_of_study(given: Material, name: str) -> list[Sample]:
    return [one for one in given.of_study(name) if one.name in given.stored]


@rule("10.4.1.1.1", "shall", "A study comes as all its instances, a part each.")
def a_study_is_all_its_instances(site: Site, given: Material) -> None:
    study = given.having("ct1").study
    reply = site.get(study, accept=DICOM)
    exactly(reply, files(reply), stored_of_study(given, "ct1"))


@rule("10.4.1.1.1", "shall", "A study of many transfer syntaxes comes whole.")
def a_mixed_study_comes_whole(site: Site, given: Material) -> None:
    reply = site.get(given.having("multi").study, accept=AS_STORED)
    exactly(reply, files(reply), stored_of_study(given, "multi"))


@rule("10.4.1.1.1", "shall", "A mixed study without transfer-syntax comes whole, decoded.")
def a_mixed_study_comes_decoded(site: Site, given: Material) -> None:
    reply = site.get(given.having("multi").study, accept=DICOM)
    found = files(reply)
    exactly(reply, found, stored_of_study(given, "multi"))
    lossy = given["jpeg"].uid
    odd = {
        str(one.file_meta.TransferSyntaxUID) for one in found if str(one.SOPInstanceUID) != lossy
    }
    reply.require(odd == {EXPLICIT}, f"{EXPLICIT} alone, not {sorted(odd)}")


@rule("10.4.1.1.1", "shall", "A series comes as its instances and no other's.")
def a_series_is_its_instances(site: Site, given: Material) -> None:
    series = given.having("ct1").series
    reply = site.get(series, accept=DICOM)
    wanted = [one for one in stored_of_study(given, "ct1") if one.series == series]
    exactly(reply, files(reply), wanted)


@rule("10.4.1.1.1", "should", "The instances of a series come in the order of Instance Number.")
def a_series_comes_in_order(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").series, accept=DICOM)
    numbers = [int(one.InstanceNumber) for one in files(reply)]
    reply.require(numbers == sorted(numbers), f"them in order, not {numbers}")


@rule("10.4.1.1.1", "shall", "An instance comes as one file with its UID and its pixels.")
def an_instance_is_one_file(site: Site, given: Material) -> None:
    for name in ("ct1", "multi", "rgb", "palette"):
        sample = given.having(name)
        reply = site.get(sample.path, accept=DICOM)
        found = only_file(reply)
        reply.require(str(found.SOPInstanceUID) == sample.uid, "the instance")
        same_pixels(reply, found, sample)


@rule("10.4.3.3.1", "should", "An instance has every attribute it was stored with.")
def an_instance_keeps_its_attributes(site: Site, given: Material) -> None:
    for name in ("ct1", "sr", "values", "pdf", "ecg"):
        sample = given.having(name)
        reply = site.get(sample.path, accept=DICOM)
        found = only_file(reply)
        sent = dcmread(io.BytesIO(sample.file))
        for element in sent:
            kept = found.get(element.tag)
            reply.require(kept is not None, f"{element.tag} {element.keyword} in {name}")
            reply.require(kept == element, f"{element.tag} {element.keyword} of {name} unchanged")


@rule("8.7.3", "shall", "A video comes in the transfer syntax it has, its stream untouched.")
def a_video_comes_as_it_is(site: Site, given: Material) -> None:
    sample = given.having("video")
    reply = site.get(sample.path, accept=AS_STORED)
    found = only_file(reply)
    syntax = str(found.file_meta.TransferSyntaxUID)
    reply.require(syntax == MPEG_4, f"{MPEG_4}, not {syntax}")
    reply.require(VIDEO in found.PixelData, "the stream that was stored")


@rule("PS3.10 7.1", "shall", "A file has the File Meta Information of what it holds.")
def a_file_has_its_file_meta(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.path, accept=DICOM)
    meta = only_file(reply).file_meta
    for keyword, expected in (
        ("MediaStorageSOPClassUID", str(sample.dataset.SOPClassUID)),
        ("MediaStorageSOPInstanceUID", sample.uid),
    ):
        reply.require(str(meta.get(keyword)) == expected, f"{keyword} {expected}")
    for keyword in ("FileMetaInformationGroupLength", "ImplementationClassUID"):
        reply.require(keyword in meta, f"{keyword} in the File Meta Information")


@rule("10.4.3.2", "should", "Each part of a study has a Content-Location that gets its instance.")
def parts_have_a_content_location(site: Site, given: Material) -> None:
    study = given.having("ct1").study
    reply = site.get(study, accept=DICOM).expect(200)
    part = reply.parts[0]
    location = part.headers.get("content-location")
    reply.require(location is not None, "a Content-Location in each part")
    url = str(location)
    again = site.get(url if url.startswith("http") else site.origin + url, accept=DICOM)
    uid = str(data_set(reply, part.content).SOPInstanceUID)
    again.require(str(only_file(again).SOPInstanceUID) == uid, "the instance of the part")


@rule("10.4.3.1", "shall", "A study that is not there is a 404.")
def an_unknown_study_is_404(site: Site, given: Material) -> None:
    site.get(f"/studies/{new_uid()}", accept=DICOM).expect(404)


@rule("10.4.3.1", "shall", "A series that is not there is a 404.")
def an_unknown_series_is_404(site: Site, given: Material) -> None:
    site.get(f"{given.having('ct1').study}/series/{new_uid()}", accept=DICOM).expect(404)


@rule("10.4.3.1", "shall", "An instance that is not there is a 404.")
def an_unknown_instance_is_404(site: Site, given: Material) -> None:
    path = f"{given.having('ct1').series}/instances/{new_uid()}"
    site.get(path, accept=DICOM).expect(404)


@rule("10.4.3.1", "shall", "A series asked for under another study is a 404.")
def a_series_of_another_study_is_404(site: Site, given: Material) -> None:
    path = f"{given.having('multi').study}/series/{given.having('ct1').series_uid}"
    site.get(path, accept=DICOM).expect(404)


@rule("10.4.3.1", "shall", "An instance asked for under another series is a 404.")
def an_instance_of_another_series_is_404(site: Site, given: Material) -> None:
    path = f"{given.having('sr').series}/instances/{given.having('ct1').uid}"
    site.get(path, accept=DICOM).expect(404)


@rule("10.4.3.1", "shall", "A study path that is no UID is a 400 or a 404.")
def a_path_that_is_no_uid_is_refused(site: Site, given: Material) -> None:
    for text in ("not-a-uid", "1..2", "1.2.3." + "4" * 100, "%20"):
        site.get(f"/studies/{text}", accept=DICOM).expect(400, 404)


@rule("10.4.4", "shall", "An instance asked for as octets comes as its bulk data.")
def an_instance_as_octets_is_its_bulk_data(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.path, accept=OCTETS).expect(200)
    pixels = sample.frames[0].tobytes()
    reply.require(any(part.content == pixels for part in reply.parts), "a part with the pixels")


@rule("10.4.4", "shall", "A series asked for as octets comes as its bulk data.")
def a_series_as_octets_is_its_bulk_data(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.series, accept=OCTETS).expect(200)
    found = {part.content for part in reply.parts}
    wanted = {
        one.frames[0].tobytes()
        for one in stored_of_study(given, "ct1")
        if one.series == sample.series
    }
    reply.require(wanted <= found, f"{len(wanted)} parts with the pixels")


def zipped(site: Site, path: str) -> tuple[Reply, zipfile.ZipFile]:
    reply = site.get(path, accept="application/zip").optional(400, 406).expect(200)
    reply.require(reply.essence == "application/zip", "application/zip")
    try:
        archive = zipfile.ZipFile(io.BytesIO(reply.body))
        broken = archive.testzip()
    except zipfile.BadZipFile as error:
        raise reply.failed(f"a zip archive that can be read ({error})") from None
    reply.require(broken is None, f"an unbroken zip archive, {broken} is broken")
    return reply, archive


def zip_holds(site: Site, path: str, wanted: list[Sample]) -> None:
    reply, archive = zipped(site, path)
    found: list[Dataset] = []
    for name in archive.namelist():
        content = archive.read(name)
        if name.endswith("/") or name.rpartition("/")[2] == "DICOMDIR":
            continue
        if content[128:132] == b"DICM":
            found.append(data_set(reply, content))
    exactly(reply, found, wanted)


@rule("10.4.4", "may", "A study can be had as application/zip, a file for each instance.")
def a_study_as_zip(site: Site, given: Material) -> None:
    zip_holds(site, given.having("ct1").study, stored_of_study(given, "ct1"))


@rule("10.4.4", "may", "A series can be had as application/zip.")
def a_series_as_zip(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    wanted = [one for one in stored_of_study(given, "ct1") if one.series == sample.series]
    zip_holds(site, sample.series, wanted)


@rule("10.4.4", "may", "The zip of a study has a DICOMDIR that refers to its files.")
def a_zip_has_a_dicomdir(site: Site, given: Material) -> None:
    reply, archive = zipped(site, given.having("ct1").study)
    names = [name for name in archive.namelist() if name.rpartition("/")[2] == "DICOMDIR"]
    reply.require(len(names) == 1, f"one DICOMDIR among {archive.namelist()[:8]}")
    root = names[0].rpartition("DICOMDIR")[0]
    directory = data_set(reply, archive.read(names[0]))
    for record in directory.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            parts = record.ReferencedFileID
            path = parts if isinstance(parts, str) else "/".join(parts)
            if root + path not in archive.namelist():
                raise Failed(f"{reply.asked}: DICOMDIR refers to {path}, which is not in the zip")
