"""Who the patients of the demonstration archive are, and what every object says of its study.

All persons are invented. UIDs are derived from names (PS3.5 §B.2), so that they are the same in
every demonstration archive and those of no one else.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from uuid import UUID, uuid5

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

_NAMESPACE: Final = UUID("6f0d3c52-6a2c-5bb1-9a0d-2f7c1d6c4f10")


def uid(*names: object) -> str:
    """The UID of what has those names."""
    return f"2.25.{uuid5(_NAMESPACE, '/'.join(map(str, names))).int}"


@dataclass(frozen=True)
class Patient:
    """name  with ideographic group where there is one (PS3.5 §6.2.1.2)"""

    identifier: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True)
class Study:
    """name   by which its UIDs are derived
    date, time  when it was made; the objects of its series follow
    """

    name: str
    patient: Patient
    description: str
    date: str
    time: str
    accession: str
    age: str
    weight_kg: float
    referring: str
    reading: str

    @property
    def study_uid(self) -> str:
        return uid(self.name)


ZHANG: Final = Patient("DEMO-0001", "Zhang^Wei=张^伟", "19610312", "M")
MUELLER: Final = Patient("DEMO-0002", "Müller^Jürgen", "19740829", "M")
GARCIA: Final = Patient("DEMO-0003", "García López^María José", "19680105", "F")
WANG: Final = Patient("DEMO-0004", "Wang^Xiaoming=王^小明", "19831117", "M")

CT_NOW: Final = Study(
    "ct-2025",
    ZHANG,
    "CT chest abdomen pelvis with contrast",
    "20250918",
    "093412",
    "A20250918017",
    "064Y",
    71.0,
    "Li^Na=李^娜",
    "Chen^Guang=陈^光",
)
CT_PRIOR: Final = Study(
    "ct-2024",
    ZHANG,
    "CT chest with contrast",
    "20240911",
    "141005",
    "A20240911042",
    "063Y",
    73.0,
    "Li^Na=李^娜",
    "Chen^Guang=陈^光",
)
MR_HEAD: Final = Study(
    "mr-head",
    MUELLER,
    "MR head",
    "20250603",
    "111720",
    "A20250603008",
    "050Y",
    84.0,
    "Schäfer^Anna^^Dr.",
    "Øyen^Kari^^Dr.",
)
US_HEART: Final = Study(
    "us-heart",
    GARCIA,
    "Echocardiography",
    "20250414",
    "161530",
    "A20250414033",
    "057Y",
    62.0,
    "Núñez^Álvaro",
    "Ibáñez^Lucía",
)
CR_CHEST: Final = Study(
    "cr-chest",
    WANG,
    "Chest PA",
    "20241205",
    "084550",
    "A20241205002",
    "041Y",
    68.0,
    "Liu^Yang=刘^洋",
    "Chen^Guang=陈^光",
)


def data_set(
    study: Study,
    *,
    sop_class_uid: str,
    modality: str,
    series: str,
    series_number: int,
    series_description: str,
    number: int,
) -> Dataset:
    """An object of a study with all that is not its own: patient, study, series, equipment.

    series  by which the UID of the series is derived
    """
    d = Dataset()
    d.SpecificCharacterSet = "ISO_IR 192"
    d.SOPClassUID = sop_class_uid
    d.SOPInstanceUID = uid(study.name, series, number)
    d.StudyInstanceUID = study.study_uid
    d.SeriesInstanceUID = uid(study.name, series)
    d.StudyID = study.accession[-6:]
    d.AccessionNumber = study.accession
    for moment in ("Study", "Series", "Content"):
        setattr(d, f"{moment}Date", study.date)
        setattr(d, f"{moment}Time", study.time)
    d.Modality = modality
    d.Manufacturer = "Phantom"
    d.InstitutionName = "Demonstration Hospital 示范医院"
    d.ReferringPhysicianName = study.referring
    d.NameOfPhysiciansReadingStudy = study.reading
    d.StudyDescription = study.description
    d.SeriesDescription = series_description
    d.ManufacturerModelName = f"Numpy {modality}"
    d.DeviceSerialNumber = "1"
    d.SoftwareVersions = "demo"
    d.PatientName = study.patient.name
    d.PatientID = study.patient.identifier
    d.PatientBirthDate = study.patient.birth_date
    d.PatientSex = study.patient.sex
    d.PatientAge = study.age
    d.PatientWeight = study.weight_kg
    d.SeriesNumber = series_number
    d.InstanceNumber = number
    return d


def pixels(
    d: Dataset,
    content: bytes,
    *,
    rows: int,
    columns: int,
    bits_allocated: int,
    bits_stored: int,
    signed: bool = False,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
) -> None:
    """The Image Pixel Module (PS3.3 §C.7.6.3)."""
    d.SamplesPerPixel = samples
    d.PhotometricInterpretation = photometric
    if samples > 1:
        d.PlanarConfiguration = 0
    d.Rows, d.Columns = rows, columns
    d.BitsAllocated, d.BitsStored, d.HighBit = bits_allocated, bits_stored, bits_stored - 1
    d.PixelRepresentation = int(signed)
    d.add_new(
        "PixelData", "OW" if bits_allocated > 8 else "OB", content + b"\0" * (len(content) % 2)
    )


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 §8.8)."""
    d = Dataset()
    d.CodeValue, d.CodingSchemeDesignator, d.CodeMeaning = value, scheme, meaning
    return d


def part10(d: Dataset) -> bytes:
    """The object as an Explicit VR Little Endian file (PS3.10 §7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = d.SOPClassUID
    meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid("implementation"))
    meta.ImplementationVersionName = "DEMO"
    file = BytesIO()
    d.file_meta = meta
    dcmwrite(file, d, enforce_file_format=True)
    return file.getvalue()


def numbers(*values: float) -> list[Any]:
    """Decimal strings short enough for DS (PS3.5 §6.2)."""
    return [f"{value:.6f}".rstrip("0").rstrip(".") for value in values]
