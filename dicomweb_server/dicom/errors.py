"""What reading DICOM bytes raises.

DicomError
├── NotDicom               the bytes are no DICOM Part 10 file (PS3.10 §7.1)
├── Malformed              they are, but `where` breaks a rule of the standard
├── TooLarge               `where` is larger than a limit of this program allows
├── NotInDataSet           the data set has no value at `path`
├── UnsupportedClass       an instance of a SOP class that an archive of studies does not keep
├── UnsupportedEncoding    a transfer syntax or pixel encoding nothing here can decode
├── Damaged                a codestream or stored payload that does not decode to what it must
├── BadQuery               a search parameter that cannot be understood
└── BadEdit                an edit that cannot be made

`where` is a tag as `(7FE0,0010)`, a path of tags joined by `>`, or a part of the file by name.
"""


class DicomError(Exception):
    """The root of everything that dicom raises on purpose."""


class NotDicom(DicomError):
    """The bytes are no DICOM Part 10 file; `reason` says what they lack."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a DICOM file: {reason}")
        self.reason = reason


class Malformed(DicomError):
    """`where` breaks a rule of the standard."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}")
        self.where = where
        self.reason = reason


class TooLarge(DicomError):
    """`where` holds `found` of something, more than `limit`."""

    def __init__(self, where: str, what: str, *, found: int, limit: int) -> None:
        super().__init__(f"{where} holds {found} {what}, the limit is {limit}")
        self.where = where
        self.found = found
        self.limit = limit


class NotInDataSet(DicomError):
    """The data set has no value at `path`, tags and item numbers in turn."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the data set has no value at {path}")
        self.path = path


class UnsupportedClass(DicomError):
    """An instance of a SOP class whose instances are in no study."""

    def __init__(self, sop_class_uid: str, instance_uid: str) -> None:
        super().__init__(
            f"instances of SOP class {sop_class_uid} are of no patient and in no study, such are "
            "not kept here"
        )
        self.sop_class_uid = sop_class_uid
        self.instance_uid = instance_uid


class UnsupportedEncoding(DicomError):
    """Nothing here decodes or encodes this; `uid` is the transfer syntax."""

    def __init__(self, uid: str, reason: str) -> None:
        super().__init__(f"transfer syntax {uid}: {reason}")
        self.uid = uid
        self.reason = reason


class Damaged(DicomError):
    """`what`, a codestream or a stored payload, does not decode to what it stands for."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason


class BadQuery(DicomError):
    """The search parameter `parameter` cannot be understood."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


class BadEdit(DicomError):
    """`field` of an edit, an attribute mostly, cannot be what it is to be."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason
