"""A browser with hands and eyes: clicks where things are shown, keys, and pixels as numbers."""

import base64
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt

from tests.web.browser import Browser, PageError

Picture = npt.NDArray[np.uint8]
"""(rows, columns, 3)"""

Box = tuple[float, float, float, float]
"""left, top, width and height in CSS pixels, which are those of a picture."""


class Page(Browser):
    """What a person does. Elements are named by a JavaScript expression."""

    def box(self, element: str) -> Box:
        """Where an element is; it is scrolled into view."""
        script = f"""(() => {{
            const e = {element};
            if (!e) return null;
            e.scrollIntoView({{block: "nearest"}});
            const b = e.getBoundingClientRect();
            return [b.left, b.top, b.width, b.height];
        }})()"""
        found = self.run(script)
        if found is None:
            raise PageError(f"not there: {element}")
        left, top, width, height = found
        return left, top, width, height

    def mouse(self, kind: str, x: float, y: float, **more: object) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, element: str, *, times: int = 1) -> None:
        self.wait(element)
        left, top, width, height = self.box(element)
        self.click_at(left + width / 2, top + height / 2, times=times)

    def click_at(self, x: float, y: float, *, times: int = 1) -> None:
        self.mouse("mouseMoved", x, y)
        for count in range(1, times + 1):
            self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=count)
            self.mouse("mouseReleased", x, y, button="left", clickCount=count)

    def drag(self, *points: tuple[float, float]) -> None:
        """With the left button held."""
        self.mouse("mouseMoved", *points[0])
        self.mouse("mousePressed", *points[0], button="left", buttons=1, clickCount=1)
        for x, y in points[1:]:
            self.mouse("mouseMoved", x, y, button="left", buttons=1)
        self.mouse("mouseReleased", *points[-1], button="left", clickCount=1)

    def wheel(self, x: float, y: float, steps: int) -> None:
        for _ in range(steps):
            self.mouse("mouseWheel", x, y, deltaX=0, deltaY=100)

    def key(self, name: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code
            )

    def type(self, element: str, text: str) -> None:
        """Into a field, instead of what is in it."""
        self.click(element)
        self.run(f"({element}).select?.()")
        self.enter(text)

    def choose_files(self, selector: str, files: Sequence[Path]) -> None:
        """In a file input, as its dialogue would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def picture(self, box: Box | None = None) -> Picture:
        """What is shown, or a part of it."""
        taken = self.call("Page.captureScreenshot", format="png")["data"]
        image: Picture = imagecodecs.png_decode(base64.b64decode(taken))[..., :3]
        if box is None:
            return image
        left, top, width, height = (round(value) for value in box)
        return image[max(0, top) : top + height, max(0, left) : left + width]
