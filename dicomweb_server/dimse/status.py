"""What an outcome or an error of the archive is as a DIMSE status (PS3.4 §B.2.3, §C.4, PS3.7 §C).

The one place where the archive's refusals meet DIMSE's numbers.
"""

from typing import Final

from dicomweb_server.archive.store import Refusal
from dicomweb_server.dicom.errors import BadQuery, DicomError, TooLarge
from storage.errors import NotFound, OutOfSpace, StorageError, Unavailable

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
PENDING_WITH_UNSUPPORTED_KEYS: Final = 0xFF01
CANCEL: Final = 0xFE00

PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
NO_SUCH_EVENT: Final = 0x0113
INVALID_VALUE: Final = 0x0106
ATTRIBUTE_LIST_ERROR: Final = 0x0107
"""A warning: attributes were passed over."""
INVALID_INSTANCE: Final = 0x0117
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_VALUE: Final = 0x0121
CLASS_NOT_SUPPORTED: Final = 0x0122
NO_SUCH_ACTION: Final = 0x0123
NOT_AUTHORIZED: Final = 0x0124
UNRECOGNIZED_OPERATION: Final = 0x0211
RESOURCE_LIMITATION: Final = 0x0213

OUT_OF_RESOURCES: Final = 0xA700
CANNOT_COUNT: Final = 0xA701
CANNOT_SEND: Final = 0xA702
DESTINATION_UNKNOWN: Final = 0xA801
DOES_NOT_MATCH: Final = 0xA900
SUBOPERATIONS_FAILED: Final = 0xB000
CANNOT_UNDERSTAND: Final = 0xC000
ELEMENTS_DISCARDED: Final = 0xB006
CONFLICTS: Final = 0xC001
"""Stored already with other content: the range Cxxx leaves the last three digits to us."""
UNABLE_TO_PROCESS: Final = 0xC002

OF_REFUSAL: Final = {
    Refusal.NOT_DICOM: CANNOT_UNDERSTAND,
    Refusal.MALFORMED: CANNOT_UNDERSTAND,
    Refusal.TOO_LARGE: OUT_OF_RESOURCES,
    Refusal.UNSUPPORTED: CANNOT_UNDERSTAND,
    Refusal.UNSUPPORTED_CLASS: CLASS_NOT_SUPPORTED,
    Refusal.WRONG_STUDY: DOES_NOT_MATCH,
    Refusal.CONFLICT: CONFLICTS,
    Refusal.MISPLACED: CONFLICTS,
    Refusal.OUT_OF_SPACE: OUT_OF_RESOURCES,
    Refusal.DENIED: NOT_AUTHORIZED,
    Refusal.FAILED: PROCESSING_FAILURE,
}


def of_error(error: Exception, *, of_n_service: bool = False) -> int:
    """What an error is to who asked for something; one that nobody foresaw is C002.

    of_n_service  of N-CREATE and its like, whose statuses are those of PS3.7 Annex C
    """
    if isinstance(error, OutOfSpace | Unavailable | TooLarge):
        return RESOURCE_LIMITATION if of_n_service else OUT_OF_RESOURCES
    if isinstance(error, BadQuery):
        return DOES_NOT_MATCH
    if isinstance(error, NotFound):
        return NO_SUCH_INSTANCE
    if isinstance(error, DicomError):
        return CANNOT_UNDERSTAND
    if isinstance(error, StorageError):
        return PROCESSING_FAILURE
    return UNABLE_TO_PROCESS


def is_failure(status: int) -> bool:
    """Neither success, nor a warning, nor pending, nor cancelled (PS3.7 §C)."""
    return not (
        status in (SUCCESS, CANCEL, 0x0001, ATTRIBUTE_LIST_ERROR, 0x0116)
        or status >> 12 in (0xB, 0xF)
    )


def is_warning(status: int) -> bool:
    return status >> 12 == 0xB or status in (0x0001, ATTRIBUTE_LIST_ERROR, 0x0116)
