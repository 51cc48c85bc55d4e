// What is laid over images, and what is no image: segmentations, structure sets, PET, reports, ECG.

import { expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { canvas, escape, open, read, settled, shown, store, uid, until } from "./support";

const SIDE = 64;
const flat = new Int16Array(SIDE * SIDE);
const { "7FE00010": _pixels, ...HEAD } = image({ rows: SIDE, columns: SIDE, values: flat });

function slices(study: string, count: number, extra: Item = {}, values: ArrayBufferView = flat): Item[] {
  const series = newUid();
  return Array.from({ length: count }, (_, k) =>
    image({ study, series, number: k + 1, rows: SIDE, columns: SIDE, values, extra: { "00200032": ["DS", ["0", "0", String(k)]], "00180050": ["DS", "1"], ...extra } }),
  );
}

test("a segmentation is drawn where its pixels are, in its own grid", async () => {
  const study = newUid();
  const [base] = slices(study, 1);
  // 32 x 32 pixels of 1 mm: the same place as 64 x 64 of 0.5 mm, off by a quarter millimetre.
  const bits = new Uint8Array((32 * 32) / 8);
  for (let y = 8; y < 16; y++) bits[(y * 32 + 8) / 8] = 0xff; // columns 8 to 15
  const segmentation: Item = {
    ...HEAD,
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.66.4"],
    "00080018": ["UI", newUid()],
    "00080060": ["CS", "SEG"],
    "0020000D": ["UI", study],
    "0020000E": ["UI", newUid()],
    "00280008": ["IS", 1],
    "00280010": ["US", 32],
    "00280011": ["US", 32],
    "00280100": ["US", 1],
    "00280101": ["US", 1],
    "00280102": ["US", 0],
    "00280103": ["US", 0],
    "00620001": ["CS", "BINARY"],
    "00620002": ["SQ", [{ "00620004": ["US", 1], "00620005": ["LO", "肝"], "0062000D": ["US", [34000, 53000, 48000]] }]],
    "52009229": [
      "SQ",
      [
        {
          "00289110": ["SQ", [{ "00280030": ["DS", ["1", "1"]], "00180050": ["DS", "1"] }]],
          "00209116": ["SQ", [{ "00200037": ["DS", ["1", "0", "0", "0", "1", "0"]] }]],
        },
      ],
    ],
    "52009230": [
      "SQ",
      [
        {
          "00209113": ["SQ", [{ "00200032": ["DS", ["0.25", "0.25", "0"]] }]],
          "0062000A": ["SQ", [{ "0062000B": ["US", 1] }]],
        },
      ],
    ],
    "7FE00010": ["OB", bits],
  };
  await store(base!, segmentation);
  const page = await read(study);
  await until(page, () => document.querySelector<HTMLCanvasElement>("canvas.segment")?.width === 32);
  const { box, corner } = await page.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    const m = viewport.toScreen.value!;
    const pane = document.querySelector(".pane")!.getBoundingClientRect();
    const r = document.querySelector("canvas.segment")!.getBoundingClientRect();
    return { box: [r.left, r.top, r.right, r.bottom], corner: [pane.left + m[4], pane.top + m[5], pane.left + 64 * m[0] + m[4], pane.top + 64 * m[3] + m[5]] };
  });
  box.forEach((v, i) => expect(v).toBeCloseTo(corner[i]!, 0));
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click("text=肝");
  expect(await page.locator("canvas.segment").count()).toBe(0);
});

test("contours of a structure set lie on their slice and on no other", async () => {
  const study = newUid();
  const structure: Item = {
    ...HEAD,
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.481.3"],
    "00080018": ["UI", newUid()],
    "00080060": ["CS", "RTSTRUCT"],
    "0020000D": ["UI", study],
    "0020000E": ["UI", newUid()],
    "30060020": ["SQ", [{ "30060022": ["IS", 1], "30060024": ["UI", "1.2.3.4"], "30060026": ["LO", "PTV"] }]],
    "30060039": [
      "SQ",
      [
        {
          "30060084": ["IS", 1],
          "3006002A": ["IS", [255, 0, 0]],
          "30060040": ["SQ", [{ "30060042": ["CS", "CLOSED_PLANAR"], "30060046": ["IS", 4], "30060050": ["DS", ["5", "5", "2", "15", "5", "2", "15", "15", "2", "5", "15", "2"]] }]],
        },
      ],
    ],
  };
  const { "00280010": _r, "00280011": _c, "00280100": _b, ...bare } = structure;
  await store(...slices(study, 5), bare);
  const page = await read(study);
  await until(page, () => window.reading.session.overlays.value.length === 1);
  await page.keyboard.press("Home");
  await settled(page);
  expect(await page.locator(".contour").count()).toBe(0);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await settled(page);
  const [drawn, wanted] = await page.evaluate(() => {
    const m = window.reading.session.active.value!.toScreen.value!;
    const box = document.querySelector<SVGPathElement>(".contour")!.getBBox();
    return [[box.x, box.width], [(5 / 0.5 + 0.5) * m[0] + m[4], (10 / 0.5) * m[0]]] as const;
  });
  drawn.forEach((v, i) => expect(v).toBeCloseTo(wanted[i]!, 0));
});

test("PET is fused onto CT in colour, where there is uptake", async () => {
  const study = newUid();
  const hot = Int16Array.from({ length: SIDE * SIDE }, (_, i) => (Math.abs((i % SIDE) - 32) < 8 && Math.abs(Math.floor(i / SIDE) - 32) < 8 ? 1000 : 0));
  const pet: Item = { "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.128"], "00080060": ["CS", "PT"], "00541001": ["CS", "BQML"], "0008103E": ["LO", "PET"], "00200011": ["IS", 2], "00281050": ["DS", "500"], "00281051": ["DS", "1000"] };
  await store(...slices(study, 5), ...slices(study, 5, pet, hot));
  const page = await read(study);
  await until(page, () => window.reading.session.stacks.value.length === 2);
  await page.click('button[aria-label="Fusion"]');
  await page.click(".menu >> text=PT PET");
  await until(page, () => {
    const { session } = window.reading;
    return session.stacks.value.every((s) => session.store.progress(s.frames).ready === s.frames.length);
  });
  await escape(page);
  await settled(page);
  const [w, h] = await page.evaluate(() => {
    const { width, height } = window.reading.session.active.value!.rect.value;
    return [Math.floor(width), Math.floor(height)] as const;
  });
  const rgb = await canvas(page, w, h);
  const pixel = (x: number, y: number): number[] => rgb.slice((y * w + x) * 3, (y * w + x) * 3 + 3);
  const middle = pixel(w >> 1, h >> 1);
  const outside = pixel((w >> 1) - (h >> 2), h >> 1);
  expect(Math.max(...outside) - Math.min(...outside)).toBeLessThanOrEqual(1);
  expect(middle[0]!).toBeGreaterThan(outside[0]! + 30);
});

test("a structured report opens as text, indented as its tree", async () => {
  const study = newUid();
  const name = (meaning: string): Item["0040A043"] => ["SQ", [{ "00080100": ["SH", "1"], "00080102": ["SH", "99X"], "00080104": ["LO", meaning] }]];
  const { "00280010": _r, "00280011": _c, "00280100": _b, ...bare } = HEAD;
  await store({
    ...bare,
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.88.11"],
    "00080018": ["UI", newUid()],
    "00080060": ["CS", "SR"],
    "0008103E": ["LO", "Report"],
    "0020000D": ["UI", study],
    "0020000E": ["UI", newUid()],
    "0040A040": ["CS", "CONTAINER"],
    "0040A043": name("CT report"),
    "0040A730": ["SQ", [{ "0040A010": ["CS", "CONTAINS"], "0040A040": ["CS", "TEXT"], "0040A043": name("Finding"), "0040A160": ["UT", "右肺上叶结节"] }]],
  });
  const page = await open(`read.html?lang=en&study=${study}`);
  await page.click(".document-tile");
  expect(await page.locator(".document").textContent()).toContain("CT report");
  expect(await page.locator(".document li").textContent()).toBe("Finding 右肺上叶结节");
});

test("an ECG is drawn to scale: a millivolt is 10 mm, a second 25 mm", async () => {
  const study = newUid();
  const samples = Int16Array.from({ length: 1000 }, (_, i) => (i >= 500 && i < 520 ? 1000 : 0)); // 1 mV for 40 ms at 500 Hz
  const { "00280010": _r, "00280011": _c, "00280100": _b, ...bare } = HEAD;
  await store({
    ...bare,
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.9.1.1"],
    "00080018": ["UI", newUid()],
    "00080060": ["CS", "ECG"],
    "0020000D": ["UI", study],
    "0020000E": ["UI", newUid()],
    "54000100": [
      "SQ",
      [
        {
          "003A0005": ["US", 1],
          "003A0010": ["UL", 1000],
          "003A001A": ["DS", "500"],
          "003A0200": ["SQ", [{ "003A0203": ["SH", "II"], "003A0210": ["DS", "1"], "003A0211": ["SQ", [{ "00080100": ["SH", "uV"], "00080102": ["SH", "UCUM"], "00080104": ["LO", "microvolt"] }]], "003A0212": ["DS", "1"], "003A0213": ["DS", "0"] }]],
          "54001004": ["US", 16],
          "54001006": ["CS", "SS"],
          "54001010": ["OW", new Uint8Array(samples.buffer)],
        },
      ],
    ],
  });
  const page = await open(`read.html?lang=en&study=${study}`);
  await page.click(".document-tile");
  await until(page, () => document.querySelector("[data-lead]") !== null);
  const { trace, paper } = await page.evaluate(() => {
    const path = document.querySelector<SVGPathElement>("[data-lead]")!;
    const r = path.getBoundingClientRect();
    const probe = document.createElement("div");
    probe.style.width = "100mm";
    document.body.append(probe);
    return { trace: [r.width, r.height], paper: probe.getBoundingClientRect().width / 100 };
  });
  expect(trace[0]! / paper).toBeCloseTo((25 * 999) / 500, 0);
  expect(trace[1]! / paper).toBeCloseTo(10, 0);
});

test("a layout saved as a hanging protocol hangs by itself when the next study is opened", async () => {
  const study = newUid();
  await store(...slices(study, 1), ...slices(study, 1, { "00200011": ["IS", 2], "0008103E": ["LO", "Bone"] }));
  const page = await read(study);
  await until(page, () => window.reading.session.stacks.value.length === 2);
  await page.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 2, columns: 1 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[1]!);
    session.showStack(session.viewports.value[1]!, session.stacks.value[0]!);
    session.viewports.value[0]!.chosenVoi.value = { kind: "window", center: 500, width: 2000, shape: "LINEAR" };
  });
  await page.click('button[aria-label="Layout"]');
  await page.click("text=Save this layout");
  await until(page, () => document.activeElement?.matches("dialog input") ?? false);
  await page.keyboard.insertText("我的 CT");
  await page.check("dialog input[type=checkbox]");
  await page.click("dialog button.primary");
  await page.reload();
  await until(page, () => window.reading?.session.layout.value.rows === 2);
  expect(await page.evaluate(() => window.reading.session.viewports.value.map((v) => v.stack.value?.description))).toEqual(["Bone", "Phantom"]);
  expect(await page.evaluate(() => window.reading.session.viewports.value[0]!.voi.value)).toMatchObject({ center: 500, width: 2000 });
  expect(page.complaints).toEqual([]);
});

test("a state shows each image as it says, counted as it counts, and says what it cannot show", async () => {
  const study = newUid();
  const values = new Int16Array(SIDE * SIDE).fill(1280);
  const [one, two, three] = slices(study, 3, { "00281052": ["DS", "-1024"] }, values) as [Item, Item, Item];
  const named = (object: Item): Item => ({ "00081150": ["UI", uid(object, "00080016")], "00081155": ["UI", uid(object, "00080018")] });
  const windowOf = (object: Item, center: string, width: string): Item => ({ "00081140": ["SQ", [named(object)]], "00281050": ["DS", center], "00281051": ["DS", width] });
  const state = (label: string, more: Item): Item => ({
    ...Object.fromEntries(["00080020", "00080030", "00100010", "00100020"].map((tag) => [tag, HEAD[tag]!])),
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.11.1"],
    "00080018": ["UI", newUid()],
    "00080060": ["CS", "PR"],
    "0020000D": ["UI", study],
    "0020000E": ["UI", newUid()],
    "00081115": ["SQ", [{ "0020000E": ["UI", uid(one, "0020000E")], "00081140": ["SQ", [one, two, three].map(named)] }]],
    "00700080": ["CS", label],
    "00700081": ["LO", label],
    "20500020": ["CS", "IDENTITY"],
    ...more,
  });
  const table: Item = { "00283002": ["US", [2, 0, 8]], "00283004": ["LO", "US"], "00283006": ["OW", Uint8Array.of(9, 0, 5, 0)] };
  await store(
    one,
    two,
    three,
    state("STORED", { "00281052": ["DS", "0"], "00281053": ["DS", "1"], "00281054": ["LO", "US"], "00283110": ["SQ", [windowOf(one, "1280", "2560"), windowOf(two, "960", "2560")]] }),
    state("TABLE", { "00283000": ["SQ", [table]] }),
  );
  const page = await read(study);
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click(".stored >> text=STORED");
  const greys: number[] = [];
  for (const index of [0, 1, 2]) {
    await page.evaluate((to) => window.reading.session.active.value!.scrollTo(to), index);
    await settled(page);
    greys.push((await shown(page, [30, 30]))[0]![0]!);
  }
  // The third has no window of its own: the whole range of 16 bits.
  [127.5, 159.4, (255 * (1280 + 32768)) / 65535].forEach((grey, i) => expect(Math.abs(greys[i]! - grey)).toBeLessThanOrEqual(1));
  await page.click(".stored >> text=TABLE");
  await until(page, () => document.querySelector(".notice.error")?.textContent?.includes("a table of its own") ?? false);
});

test("the pane as it is seen is saved as PNG, lines and texts included", async () => {
  const study = newUid();
  await store(...slices(study, 1));
  const page = await read(study);
  await page.click('button[aria-label="Export and print"]');
  const download = page.waitForEvent("download");
  await page.click("text=Save this pane as PNG");
  const saved = await download;
  expect(saved.suggestedFilename()).toBe("P-1-Phantom.png");
  const { readFile } = await import("node:fs/promises");
  const bytes = await readFile(await saved.path());
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  expect(bytes.length).toBeGreaterThan(3000);
  expect(uid(HEAD, "00100020")).toBe("P-1");
});
