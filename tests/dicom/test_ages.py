"""Ages of the Value Representation AS."""

import pytest

from dicomweb_server.dicom.ages import age_on


@pytest.mark.parametrize(
    ("birth_date", "day", "age"),
    [
        ("19800501", "20261125", "046Y"),
        ("19801126", "20261125", "045Y"),
        ("20261101", "20261125", "024D"),
        ("20260901", "20261125", "012W"),
        ("20250325", "20261125", "020M"),
        ("20250326", "20261125", "019M"),
        ("20240229", "20260301", "002Y"),
        ("20270101", "20261125", ""),
        ("", "20261125", ""),
        ("1980", "20261125", ""),
        ("19801399", "20261125", ""),
    ],
)
def test_ps3_5_6_2_an_age_is_three_digits_and_its_unit(birth_date: str, day: str, age: str) -> None:
    assert age_on(birth_date, day) == age
