"""From the values of an image to shades of grey: the VOI transformations (PS3.3 §C.11.2.1).

A shade is 0 to 1. Values are what the modality transformation gives (Hounsfield units for CT).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]


class Function(Enum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A `width` of at least 1 for LINEAR, above 0 for the others."""

    center: float
    width: float
    function: Function = Function.LINEAR

    @property
    def ends(self) -> tuple[float, float] | None:
        """The values of black and of white when the shades between them lie on a straight line."""
        match self.function:
            case Function.LINEAR if self.width > 1:
                half, middle = (self.width - 1) / 2, self.center - 0.5
            case Function.LINEAR_EXACT:
                half, middle = self.width / 2, self.center
            case _:
                return None
        return middle - half, middle + half

    def __call__(self, values: Values) -> Values:
        """The shades of `values`. PS3.3 §C.11.2.1.2.1, §C.11.2.1.3.1 and .2."""
        shades: Values
        match self.function:
            case Function.LINEAR if self.width > 1:
                shades = (values - (self.center - 0.5)) / (self.width - 1) + 0.5
            case Function.LINEAR:
                shades = (values > self.center - 0.5).astype(np.float64)
            case Function.LINEAR_EXACT:
                shades = (values - self.center) / self.width + 0.5
            case Function.SIGMOID:
                with np.errstate(over="ignore"):  # exp of much is infinite, and the shade 0
                    shades = 1 / (1 + np.exp(-4 * (values - self.center) / self.width))
        return np.clip(shades, 0, 1)


def full_range(*, bits: int, signed: bool) -> Window:
    """Black is the least value of that many bits, white the greatest."""
    width = float(1 << bits)
    return Window(0.0 if signed else width / 2, width)


_COVERED: Final = (0.005, 0.995)


def covering(values: Values, counts: npt.NDArray[np.integer] | None = None) -> Window:
    """The window of an image that names none: all but its darkest and brightest 0.5 %.

    values  of which each occurs `counts` times, ascending; or, without counts, in any order
    """
    if counts is None:
        values = values[np.isfinite(values)]
        if not len(values):
            return Window(0.5, 2)
        low, high = np.quantile(values, _COVERED, method="inverted_cdf")
    else:
        below = np.cumsum(counts)
        if not len(below) or not below[-1]:
            return Window(0.5, 2)
        places = np.searchsorted(below, np.array(_COVERED) * below[-1])
        low, high = values[np.minimum(places, len(values) - 1)]
    if low > high:
        low, high = high, low
    # LINEAR: the shades of low and high are 0 and 1 (width 1 + the difference)
    if high - low >= 1:
        return Window(float(low + high + 1) / 2, float(high - low) + 1)
    return Window(float(low + high) / 2, float(high - low) or 1.0, Function.LINEAR_EXACT)
