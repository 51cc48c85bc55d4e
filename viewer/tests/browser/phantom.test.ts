// A phantom of known size and place: what is drawn and measured has its proportions and directions.

import { expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { drag, measured, read, settled, store } from "./support";

const [ROWS, COLUMNS] = [160, 240];
/** Pixels twice as high as wide; the bright rectangle is a square of 80 mm. */
const [ROW_MM, COLUMN_MM, SQUARE_MM] = [0.8, 0.4, 80];
const [LEFT, TOP] = [20, 30];
const values = Int16Array.from({ length: ROWS * COLUMNS }, (_, i) => {
  const [x, y] = [i % COLUMNS, Math.floor(i / COLUMNS)];
  return x >= LEFT && x < LEFT + SQUARE_MM / COLUMN_MM && y >= TOP && y < TOP + SQUARE_MM / ROW_MM ? 1000 : 0;
});

/** Coronal, turned by 30 degrees about the long axis: to the right of the picture is left and a little behind. */
const ORIENTATION = ["0.8660254", "0.5", "0", "0", "0", "-1"];
const study = newUid();
const phantom = image({
  study,
  rows: ROWS,
  columns: COLUMNS,
  values,
  extra: {
    "00200032": ["DS", ["-40", "10", "60"]],
    "00200037": ["DS", ORIENTATION],
    "00280030": ["DS", [String(ROW_MM), String(COLUMN_MM)]],
    "00281050": ["DS", "500"],
    "00281051": ["DS", "1000"],
  },
});

const within = (value: number, wanted: number): void => expect(Math.abs(value - wanted) / wanted).toBeLessThan(0.005);

test.each(["gpu", "processor"])("a square of 80 mm is one on the screen, is measured as one, and lies as it lies in the patient (%s)", async (draw) => {
  await store(phantom);
  const page = await read(study, `&draw=${draw}`);
  // How many pixels of the middle row, and of the middle column, are bright.
  const { across, down, perMm } = await page.evaluate((columnMm) => {
    const { painter, session } = window.reading;
    const viewport = session.active.value!;
    painter.current!.draw(viewport);
    const { x, y, width, height } = viewport.rect.value;
    const [w, h] = [Math.floor(width), Math.floor(height)];
    const context = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(painter.current!.canvas, -x, -y);
    const bright = (part: ImageData): number => part.data.filter((v, i) => i % 4 === 0 && v > 127).length;
    return {
      across: bright(context.getImageData(0, h >> 1, w, 1)),
      down: bright(context.getImageData(w >> 1, 0, 1, h)),
      perMm: viewport.placement.value!.zoom / columnMm,
    };
  }, COLUMN_MM);
  expect(across).toBeGreaterThan(400);
  within(across, down);
  within(across / perMm, SQUARE_MM);

  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [LEFT, TOP], [LEFT + SQUARE_MM / COLUMN_MM, TOP + SQUARE_MM / ROW_MM]);
  within(Number((await measured(page))[0]!.match(/([\d.]+) mm/)![1]), SQUARE_MM * Math.SQRT2);

  await settled(page);
  const letters = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".letter")].map((each) => [each.className.replace("letter", "").trim(), each.textContent])));
  expect(letters).toEqual({ left: "RA", right: "LP", up: "H", down: "F" });
  const corner = await page.evaluate(([x, y]) => {
    const { origin, right, down: below, columnSpacing, rowSpacing } = window.reading.session.active.value!.plane.value!;
    return origin.map((v, i) => v + right[i]! * columnSpacing * x! + below[i]! * rowSpacing * y!);
  }, [COLUMNS - 1, ROWS - 1]);
  const [alongMm, downMm] = [(COLUMNS - 1) * COLUMN_MM, (ROWS - 1) * ROW_MM];
  const wanted = [-40 + alongMm * 0.8660254, 10 + alongMm * 0.5, 60 - downMm];
  corner.forEach((v, i) => expect(Math.abs(v - wanted[i]!)).toBeLessThan(0.005 * Math.hypot(alongMm, downMm)));
});
