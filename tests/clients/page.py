"""A browser with hands and eyes: clicks where things are shown, keys, and pixels as numbers."""

import base64
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt

from tests.web.browser import Browser, PageError

Picture = npt.NDArray[np.uint8]
"""(rows, columns, 3)"""

Box = tuple[float, float, float, float]
"""left, top, width and height in CSS pixels, which are those of a picture."""


WAIT_S = 60.0
"""For what may take this long on a busy machine; on an idle one it takes a second or two."""


class Page(Browser):
    """What a person does. Elements are named by a JavaScript expression."""

    def wait(self, condition: str, *, timeout_s: float = WAIT_S) -> None:
        super().wait(condition, timeout_s=timeout_s)

    def box(self, element: str) -> Box:
        """Where an element is."""
        script = f"""(() => {{
            const e = {element};
            if (!e) return null;
            const b = e.getBoundingClientRect();
            return [b.left, b.top, b.width, b.height];
        }})()"""
        found = self.run(script)
        if found is None:
            raise PageError(f"not there: {element}")
        left, top, width, height = found
        return left, top, width, height

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def mouse(self, kind: str, x: float, y: float, **more: object) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, element: str, *, times: int = 1) -> None:
        """Where an element is once it is there and at rest: menus slide in."""
        self.wait(element)
        before: Box | None = None
        while (box := self.box(element)) != before:
            before = box
            time.sleep(0.05)
        left, top, width, height = box
        x, y = left + width / 2, top + height / 2
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
        """Down, or up when `steps` is below 0."""
        for _ in range(abs(steps)):
            self.mouse("mouseWheel", x, y, deltaX=0, deltaY=100 if steps > 0 else -100)

    def key(self, name: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code
            )

    def type(self, element: str, text: str) -> None:
        """Into a field, instead of what is in it."""
        self.click(element)
        self.run(f"({element}).select()")
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

    def settle(
        self,
        box: Callable[[], Box],
        *,
        timeout_s: float = WAIT_S,
        like: Callable[[Picture], bool] = lambda picture: float(picture.std()) > 10,
    ) -> Picture:
        """Until a part of the page looks as it should and the same on two looks; that picture."""
        until = time.monotonic() + timeout_s
        before: Picture | None = None
        while True:
            now = self.picture(box())
            if like(now) and before is not None and np.array_equal(before, now):
                return now
            if time.monotonic() > until:
                raise PageError(f"not settled within {timeout_s} s")
            before = now
            time.sleep(0.1)
