"""Ages as DICOM writes them: three digits and D, W, M or Y (AS, PS3.5 Table 6.2-1)."""

from datetime import date


def age_on(birth_date: str, day: str) -> str:
    """The age on a day, both YYYYMMDD; "" when either is no date, or the birth comes after.

    Days up to four weeks, weeks up to six months, months up to two years, as is usual of children.
    """
    try:
        born, on = (date.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:8]}") for d in (birth_date, day))
    except ValueError:
        return ""
    if born > on:
        return ""
    days = (on - born).days
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if days < 28:
        return f"{days:03}D"
    if months < 6:
        return f"{days // 7:03}W"
    if months < 24:
        return f"{months:03}M"
    return f"{min(months // 12, 999):03}Y"
