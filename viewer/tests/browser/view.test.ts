// How a picture is shown: every tool and menu that changes it, by the pixels it leaves or the number it
// writes.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { colormap } from "../../src/pixels/colormap";
import { image } from "../instances";
import { at, canvas, click, colours, drag, escape, exact, measured, type Opened, read, settled, shown, store, uid, until } from "./support";
import type { Item } from "../../src/dicom/write";

const SIDE = 64;
const SMALL = { width: 820, height: 560 } as const;
/** 0 to 126 by column, a white square in the upper left, a grey one in the lower left. */
const values = Int16Array.from({ length: SIDE * SIDE }, (_, i) => {
  const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
  return x < 8 && y < 8 ? 1000 : x < 8 && y >= SIDE - 8 ? 60 : 2 * x;
});
const lut = Array.from({ length: 256 }, (_, i) => 65535 - i * 257);
const phantom = image({
  rows: SIDE,
  columns: SIDE,
  values,
  extra: {
    "00281050": ["DS", "63"],
    "00281051": ["DS", "128"],
    "00283010": ["SQ", [{ "00283002": ["US", [256, 0, 16]], "00283003": ["LO", "Upside down"], "00283006": ["OW", new Uint8Array(Uint16Array.from(lut).buffer)] }]],
  },
});
let page: Opened;

beforeAll(async () => {
  await store(phantom);
  page = await read(uid(phantom, "0020000D"), "", SMALL);
});

async function fresh(): Promise<void> {
  await page.evaluate(() => {
    const { session } = window.reading;
    session.active.value!.reset();
    session.tool.value = "window";
    session.annotations.value = [];
  });
  await settled(page);
}

const linear = (center: number, width: number) => (v: number) => Math.round(Math.min(Math.max((v - (center - 0.5)) / (width - 1) + 0.5, 0), 1) * 255);
const menu = async (label: string, item: string): Promise<void> => {
  await page.click(`button[title="${label}"]`);
  await page.click(`.menu >> text="${item}"`);
  // Some menus stay open for the next choice; without one, Escape would reset the pane.
  if ((await page.locator(".menu").count()) > 0) await escape(page);
  await settled(page);
};
const zoomOf = (): Promise<number> => page.evaluate(() => window.reading.session.active.value!.placement.value!.zoom);

test("zoom by the right button, pan by the middle one: a landmark goes where it was taken", async () => {
  await fresh();
  const [grey] = await shown(page, [36.5, 30.5]);
  const before = await at(page, 32, 32);
  await page.mouse.move(...before);
  await page.mouse.down({ button: "middle" });
  await page.mouse.move(before[0] + 40, before[1] + 30, { steps: 4 });
  await page.mouse.up({ button: "middle" });
  const moved = await at(page, 32, 32);
  expect(moved[0] - before[0]).toBeCloseTo(40, 0);
  expect(moved[1] - before[1]).toBeCloseTo(30, 0);
  const zoom = await zoomOf();
  await page.mouse.down({ button: "right" });
  await page.mouse.move(moved[0], moved[1] - 60, { steps: 4 });
  await page.mouse.up({ button: "right" });
  expect((await zoomOf()) / zoom).toBeCloseTo(Math.exp(60 / 150), 1);
  expect(Math.abs((await shown(page, [36.5, 30.5]))[0]![0]! - grey![0]!)).toBeLessThanOrEqual(2);
});

test("fit shows the whole image, 1:1 a pixel a pixel", async () => {
  await fresh();
  await page.keyboard.press("!");
  expect(await zoomOf()).toBeCloseTo(1 / (await page.evaluate(() => devicePixelRatio)), 5);
  await page.keyboard.press("0");
  const { width, height } = await page.evaluate(() => window.reading.session.active.value!.rect.value);
  expect(await zoomOf()).toBeCloseTo(Math.min(width, height) / SIDE, 3);
});

test("rotation and mirroring take the white corner and the letters with them", async () => {
  await fresh();
  const corners = async (): Promise<string> => {
    const places = await page.evaluate(() => {
      const { width, height } = window.reading.session.active.value!.rect.value;
      const [x, y] = [width / 2, height / 2];
      const d = Math.min(width, height) / 2 - 12;
      return [[x - d, y - d], [x + d, y - d], [x + d, y + d], [x - d, y + d]] as const;
    });
    const seen = await colours(page, ...places);
    return ["upper left", "upper right", "lower right", "lower left"][seen.findIndex((c) => c[0] === 255 && c[1] === 255)]!;
  };
  const letters = (): Promise<string[]> => page.locator(".letter").allTextContents();
  expect(await corners()).toBe("upper left");
  expect(await letters()).toEqual(["R", "L", "A", "P"]);
  await page.keyboard.press(".");
  expect(await corners()).toBe("upper right");
  expect(await letters()).toEqual(["P", "A", "R", "L"]);
  await page.keyboard.press("h");
  expect(await corners()).toBe("upper left");
  await page.keyboard.press("v");
  expect(await corners()).toBe("lower left");
});

test("inverting turns every grey level into its opposite", async () => {
  await fresh();
  const [before] = await shown(page, [40.5, 30.5]);
  await page.keyboard.press("i");
  const [after] = await shown(page, [40.5, 30.5]);
  expect(after![0]).toBe(255 - before![0]!);
});

test("sharpening and smoothing: the weighted neighbours of a pixel, added or taken away", async () => {
  await fresh();
  await exact(page);
  const value = (x: number, y: number): number => values[y * SIDE + x]!;
  const [x, y] = [8, 20]; // beside nothing; then at the edge of the white square
  const expected = (px: number, py: number, strength: number): number => {
    let around = 0;
    for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) if (dx || dy) around += value(px + dx, py + dy) * (dx && dy ? 0.1 : 0.15);
    return linear(63, 128)(value(px, py) + strength * (value(px, py) - around));
  };
  for (const [item, strength] of [["Smooth", -1], ["Sharpen", 1], ["Sharpen strongly", 3]] as const) {
    await menu("Display and filters", item);
    const seen = await canvas(page, SIDE, SIDE);
    for (const [px, py] of [[x, y], [8, 4], [5, SIDE - 9], [40, 40]] as const)
      expect(Math.abs(seen[(py * SIDE + px) * 3]! - expected(px, py, strength)), `${item} at ${px}, ${py}`).toBeLessThanOrEqual(1);
  }
});

test("a pseudo-colour map gives each grey level the colour of its table", async () => {
  await fresh();
  const [grey] = await shown(page, [40.5, 30.5]);
  for (const [item, name] of [["Hot iron", "hot-iron"], ["PET", "pet"], ["Rainbow", "rainbow"], ["Viridis", "viridis"]] as const) {
    await menu("Pseudo-colour", item);
    const [seen] = await shown(page, [40.5, 30.5]);
    const table = colormap(name);
    seen!.forEach((v, c) => expect(Math.abs(v - table[grey![0]! * 4 + c]!), item).toBeLessThanOrEqual(4));
  }
});

test("the sigmoid, the VOI LUT of the image and the automatic window are chosen from the menu", async () => {
  await fresh();
  await exact(page);
  await menu("Window width and level", "Sigmoid");
  const sigmoid = await canvas(page, SIDE, SIDE);
  for (const x of [10, 30, 50]) expect(Math.abs(sigmoid[(30 * SIDE + x) * 3]! - Math.round(255 / (1 + Math.exp((-4 * (2 * x - 63)) / 128))))).toBeLessThanOrEqual(1);
  await menu("Window width and level", "Upside down");
  const table = await canvas(page, SIDE, SIDE);
  for (const x of [10, 30, 50]) expect(Math.abs(table[(30 * SIDE + x) * 3]! - Math.round((lut[2 * x]! / 65535) * 255))).toBeLessThanOrEqual(1);
  await menu("Window width and level", "Automatic");
  // All but half a percent at either end: the square of 64 pixels is more, so it counts.
  expect(await page.locator(".corner.bottom.left").textContent()).toContain("W 1,001 L 501");
});

test("a window is typed, and preset keys set those of CT", async () => {
  await fresh();
  await page.click('button[title="Window width and level"]');
  await page.fill(".menu .fields input >> nth=0", "300");
  await page.keyboard.press("Tab");
  await escape(page);
  expect(await page.locator(".corner.bottom.left").textContent()).toContain("W 300 L 63");
  for (const [key, text] of [["1", "W 80 L 40"], ["4", "W 2,000 L 500"], ["6", "W 1,500 L -600"]] as const) {
    await page.keyboard.press(key);
    await settled(page);
    expect(await page.locator(".corner.bottom.left").textContent()).toContain(text);
  }
});

test("the magnifier shows two and a half times what lies under the pointer", async () => {
  await fresh();
  await page.evaluate(() => {
    window.reading.session.tool.value = "magnify";
    window.reading.session.active.value!.zoomTo(3);
  });
  await settled(page);
  // The right edge of the white square is 8 pixels from the border, 24 on the screen, 60 in the lens.
  await page.mouse.move(...(await at(page, 8, 4)));
  await page.mouse.down();
  await settled(page);
  const row = await page.evaluate(() => {
    const lens = document.querySelector<HTMLCanvasElement>("canvas.lens")!;
    const data = lens.getContext("2d")!.getImageData(0, lens.height >> 1, lens.width, 1).data;
    return [...data].filter((_, i) => i % 4 === 0);
  });
  await page.mouse.up();
  const white = row.flatMap((v, i) => (v > 250 ? [i] : []));
  expect(row.length).toBe(200);
  expect(Math.abs(white.length - 60)).toBeLessThanOrEqual(8);
  expect(Math.abs(white.at(-1)! - 100)).toBeLessThanOrEqual(5);
  await settled(page);
  expect(await page.locator("canvas.lens").count()).toBe(0);
});

test("a key is given to another action, kept, and taken from whoever had it", async () => {
  await fresh();
  await page.keyboard.press("?");
  const row = page.locator(".keymap > div", { hasText: /^Invert/ });
  await row.locator("button").click();
  await page.keyboard.press("l");
  await until(page, () => [...document.querySelectorAll(".keymap > div")].some((d) => d.textContent!.startsWith("Invert") && d.querySelector("kbd")?.textContent === "L"));
  await page.reload();
  await until(page, () => window.reading?.session.active.value?.pixels.value !== undefined);
  await page.keyboard.press("l");
  expect(await page.evaluate(() => [window.reading.session.active.value!.inverted.value, window.reading.session.tool.value])).toEqual([true, "window"]);
  await page.keyboard.press("?");
  await page.click("text=Default keys");
  await escape(page);
  await until(page, () => document.querySelector("dialog") === null);
  await page.keyboard.press("l");
  expect(await page.evaluate(() => window.reading.session.tool.value)).toBe("length");
});

test("full screen and back", async () => {
  const wide = await read(uid(phantom, "0020000D"), "", { width: 1440, height: 600 });
  await wide.click('button[aria-label="Full screen"]');
  await until(wide, () => document.fullscreenElement !== null);
  await wide.click('button[aria-label="Full screen"]');
  await until(wide, () => document.fullscreenElement === null);
});

test("an ultrasound region's calibration measures inside it; across its border there is no scale", async () => {
  const region: Item = {
    "00186011": ["SQ", [{ "00186018": ["UL", 0], "0018601A": ["UL", 0], "0018601C": ["UL", 31], "0018601E": ["UL", 63], "00186024": ["US", 3], "00186026": ["US", 3], "0018602C": ["FD", 0.05], "0018602E": ["FD", 0.02] }]],
  };
  const us = image({ rows: SIDE, columns: SIDE, values, extra: { ...region, "00080060": ["CS", "US"], "00280030": ["DS", []], "00200032": ["DS", []], "00200037": ["DS", []] } });
  await store(us);
  const scan = await read(uid(us, "0020000D"), "", SMALL);
  await scan.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(scan, [4, 10], [24, 10]);
  await drag(scan, [14, 14], [14, 60]);
  await drag(scan, [20, 30], [50, 30]);
  const [across, down, outside] = await measured(scan);
  expect(across).toMatch(/ (9\.\d|10\.\d) mm$/); // 20 pixels of 0.5 mm
  expect(down).toMatch(/ 9\.\d mm$/); // 46 pixels of 0.2 mm
  expect(outside).toMatch(/px$/);
});

test("PET counts in SUV when the dose is known: a region's mean", async () => {
  const pet: Item = {
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.128"],
    "00080060": ["CS", "PT"],
    "00080021": ["DA", "20240102"],
    "00080022": ["DA", "20240102"],
    "00080031": ["TM", "100000"],
    "00080032": ["TM", "100000"],
    "00101030": ["DS", "70"],
    "00280051": ["CS", ["ATTN", "DECY"]],
    "00281052": ["DS", "0"],
    "00281053": ["DS", "10"],
    "00540016": ["SQ", [{ "00181072": ["TM", "090000"], "00181074": ["DS", "350000000"], "00181075": ["DS", "6586.2"] }]],
    "00541001": ["CS", "BQML"],
    "00541102": ["CS", "START"],
  };
  const uptake = new Int16Array(SIDE * SIDE).fill(1234);
  const level: Item = { "00281050": ["DS", "12340"], "00281051": ["DS", "20000"] }; // of Bq/ml
  const object = image({ rows: SIDE, columns: SIDE, values: uptake, extra: { ...pet, ...level } });
  await store(object);
  const scan = await read(uid(object, "0020000D"), "", SMALL);
  await scan.evaluate(() => (window.reading.session.tool.value = "rectangle"));
  await drag(scan, [20, 20], [40, 40]);
  const decayed = 350e6 * 2 ** (-3600 / 6586.2);
  const suv = (12340 * 70000) / decayed;
  expect((await measured(scan))[0]).toContain(`Mean ${suv.toFixed(2)} SUV`);
  const [grey] = await shown(scan, [10, 10]);
  expect(Math.abs(grey![0]! - 127.5)).toBeLessThanOrEqual(2);
  // The same, made again in the afternoon.
  const late = image({ rows: SIDE, columns: SIDE, values: uptake, extra: { ...pet, "00080031": ["TM", "150000"] } });
  await store(late);
  const again = await read(uid(late, "0020000D"), "", SMALL);
  expect(await again.locator(".corner.bottom.left").textContent()).toContain("No SUV: times of scan and injection in doubt");
});

test("what the data do not say is shown as missing", async () => {
  const bare = image({ rows: SIDE, columns: SIDE, values, extra: { "00080050": ["SH", ""], "00080080": ["LO", ""], "00100040": ["CS", ""], "00100030": ["DA", ""], "00280030": ["DS", []] } });
  await store(bare);
  const scan = await read(uid(bare, "0020000D"), "", SMALL);
  expect(await scan.locator(".corner.top.left").textContent()).toContain("— · —");
  expect(await scan.locator(".corner.top.left").textContent()).toContain("Acc. —");
  expect(await scan.locator(".corner.top.right").textContent()).toContain("Hospital —");
  expect(await scan.locator(".corner.bottom.right").textContent()).toContain("No scale");
});

// ---- several panes, volumes ----

const COUNT = 20;
const study = newUid();
const axial = newUid();
const sagittal = newUid();
/** HU are 10 x the millimetres to the left; slice 10 has 500 more. Cubes of a millimetre, 40 x 40 x 20. */
function block(series: string): Item[] {
  return Array.from({ length: COUNT }, (_, k) =>
    image({
      study,
      series,
      number: k + 1,
      rows: 40,
      columns: 40,
      values: Int16Array.from({ length: 1600 }, (_, i) => (i % 40) * 10 + (k === 10 ? 500 : 0)),
      extra: { "00200032": ["DS", ["0", "0", String(k)]], "00280030": ["DS", ["1", "1"]], "00180050": ["DS", "1"], "00281050": ["DS", "300"], "00281051": ["DS", "600"] },
    }),
  );
}
const scouts = Array.from({ length: 3 }, (_, k) =>
  image({
    study,
    series: sagittal,
    number: k + 1,
    rows: 20,
    columns: 40,
    extra: { "00200011": ["IS", 2], "0008103E": ["LO", "Sagittal"], "00200032": ["DS", [String(10 + 10 * k), "0", "19"]], "00200037": ["DS", ["0", "1", "0", "0", "0", "-1"]], "00280030": ["DS", ["1", "1"]] },
  }),
);
let planes: Opened;

test("a reference line lies where the other pane's slice cuts, and follows it", async () => {
  await store(...block(axial), ...scouts);
  planes = await read(study, "", SMALL);
  await until(planes, () => window.reading.session.stacks.value.length === 2);
  await planes.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 2 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[0]!, 4);
    session.showStack(session.viewports.value[1]!, session.stacks.value[1]!, 1);
    session.activeId.value = session.viewports.value[0]!.id;
  });
  await settled(planes);
  const row = (): Promise<number> =>
    planes.evaluate(() => {
      const line = document.querySelector<SVGLineElement>("line.reference")!;
      const m = window.reading.session.viewports.value[1]!.toScreen.value!;
      return (Number(line.getAttribute("y1")) - m[5]) / m[3];
    });
  expect(await row()).toBeCloseTo(19 - 4 + 0.5, 1);
  await planes.evaluate(() => window.reading.session.viewports.value[0]!.scrollTo(12));
  await settled(planes);
  expect(await row()).toBeCloseTo(19 - 12 + 0.5, 1);
});

test("the crosshair on a slice takes the other pane to the slice through the same point", async () => {
  await planes.evaluate(() => (window.reading.session.tool.value = "crosshair"));
  await click(planes, [29.6, 20]);
  await settled(planes);
  expect(await planes.evaluate(() => window.reading.session.viewports.value[1]!.index.value)).toBe(2);
  await click(planes, [11, 20]);
  await settled(planes);
  expect(await planes.evaluate(() => window.reading.session.viewports.value[1]!.index.value)).toBe(0);
});

async function reconstructed(): Promise<void> {
  await planes.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 1 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[0]!, 5);
    session.mpr(session.stacks.value[0]!);
    session.setLayout({ rows: 1, columns: 3 });
  });
  await until(planes, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]!.frames;
    return session.store.progress(frames).ready === frames.length;
  });
  await settled(planes);
}

test("oblique: a crosshair line dragged by 30° turns the other planes, and their values are those of the slope", async () => {
  await reconstructed();
  const turned = await planes.evaluate(() => {
    const source = window.reading.session.viewports.value[0]!.source.value!;
    if (source.kind !== "mpr") throw new Error(source.kind);
    source.group.center.value = [20, 20, 5];
    window.reading.session.activeId.value = window.reading.session.viewports.value[0]!.id;
    return window.reading.session.viewports.value[0]!.toScreen.value !== undefined;
  });
  expect(turned).toBe(true);
  await settled(planes);
  // The coronal plane's line in the axial pane is level: take it 15 mm from the middle, turn it by 30°.
  const [from, to] = await planes.evaluate(() => {
    const viewport = window.reading.session.viewports.value[0]!;
    const box = document.querySelector(`[data-pane="${viewport.id}"]`)!.getBoundingClientRect();
    const line = document.querySelector<SVGLineElement>(`[data-pane="${viewport.id}"] line.coronal`)!;
    const [x1, y1, x2, y2] = ["x1", "y1", "x2", "y2"].map((n) => Number(line.getAttribute(n)));
    const middle = [(x1! + x2!) / 2, (y1! + y2!) / 2];
    const arm = 90;
    return [[box.left + middle[0]! + arm, box.top + middle[1]!], [box.left + middle[0]! + arm * Math.cos(Math.PI / 6), box.top + middle[1]! + arm * Math.sin(Math.PI / 6)]] as const;
  });
  await planes.mouse.move(from[0]!, from[1]!);
  await planes.mouse.down();
  await planes.mouse.move(to[0]!, to[1]!, { steps: 8 });
  await planes.mouse.up();
  await settled(planes);
  const values = await planes.evaluate(() => {
    const coronal = window.reading.session.viewports.value.find((v) => {
      const source = v.source.value;
      return source?.kind === "mpr" && source.view === "coronal";
    })!;
    const { right } = coronal.plane.value!;
    const surface = coronal.surface.value!;
    const [columns, rows] = surface.size;
    // The same height as slice 5, some millimetres to either side of the middle.
    const at = (mm: number): number => surface.value(columns / 2 + mm / coronal.plane.value!.columnSpacing, rows / 2 + 4.5 / coronal.plane.value!.rowSpacing) ?? NaN;
    return { angle: (Math.atan2(right[1], right[0]) * 180) / Math.PI, slope: (at(8) - at(-8)) / 16 };
  });
  expect(Math.abs(values.angle - 30)).toBeLessThan(1.5);
  expect(values.slope).toBeCloseTo(10 * Math.cos((values.angle * Math.PI) / 180), 0);
});

test("slabs: mean, greatest and least value over their thickness", async () => {
  await reconstructed();
  const grey = async (mode: "mean" | "max" | "min", thickness: number): Promise<number> => {
    await planes.evaluate(
      ([m, t]) => {
        const viewport = window.reading.session.viewports.value[0]!;
        window.reading.session.activeId.value = viewport.id;
        const source = viewport.source.value!;
        if (source.kind === "mpr") {
          source.group.reset();
          source.group.center.value = [20, 20, 10];
        }
        viewport.chosenVoi.value = { kind: "window", center: 500, width: 1001, shape: "LINEAR" };
        viewport.slab.value = { mode: m, thickness: t };
      },
      [mode, thickness] as const,
    );
    await settled(planes);
    const { width, height } = await planes.evaluate(() => window.reading.session.active.value!.rect.value);
    return (await colours(planes, [width / 2, height / 2]))[0]![0]!;
  };
  // About 195 HU at the middle column, 500 more in one of ten slices.
  const level = (hu: number): number => Math.round((hu / 1000) * 255);
  expect(Math.abs((await grey("max", 10)) - level(695))).toBeLessThanOrEqual(4);
  expect(Math.abs((await grey("min", 10)) - level(195))).toBeLessThanOrEqual(4);
  expect(Math.abs((await grey("mean", 10)) - level(245))).toBeLessThanOrEqual(5);
  expect(Math.abs((await grey("mean", 0)) - level(695))).toBeLessThanOrEqual(4);
});

test("volume presets: bone leaves soft tissue out, skin shows it, each in colours of its own", async () => {
  const soft = newUid();
  await store(
    ...Array.from({ length: 16 }, (_, k) =>
      image({
        study: soft,
        series: soft,
        number: k + 1,
        rows: 32,
        columns: 32,
        values: Int16Array.from({ length: 1024 }, (_, i) => (Math.hypot((i % 32) - 16, Math.floor(i / 32) - 16, 2 * (k - 8)) < 12 ? 40 : -1000)),
        extra: { "00200032": ["DS", ["0", "0", String(2 * k)]], "00280030": ["DS", ["1", "1"]] },
      }),
    ),
  );
  const volume = await read(soft, "", { width: 560, height: 420 });
  await volume.evaluate(() => {
    const { session } = window.reading;
    session.mpr(session.stacks.value[0]!);
    session.activeId.value = session.viewports.value[3]!.id;
  });
  await until(volume, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]!.frames;
    return session.store.progress(frames).ready === frames.length;
  });
  const middle = async (preset: string): Promise<number[]> => {
    await volume.evaluate((name) => (window.reading.session.active.value!.volumePreset.value = name as never), preset);
    await settled(volume);
    const { width, height } = await volume.evaluate(() => window.reading.session.active.value!.rect.value);
    return (await colours(volume, [width / 2, height / 2]))[0]!;
  };
  const seen = { bone: await middle("bone"), vessels: await middle("vessels"), skin: await middle("skin"), lung: await middle("lung") };
  expect(Math.max(...seen.bone)).toBeLessThan(20);
  expect(Math.max(...seen.vessels)).toBeLessThan(20);
  expect(seen.skin[0]!).toBeGreaterThan(80);
  expect(seen.skin[0]! - seen.skin[2]!).toBeGreaterThan(15); // the colour of skin: more red than blue
  expect(seen.lung).not.toEqual(seen.skin);
  expect(volume.complaints).toEqual([]);
});

test("a film once stops at its end, bounces at it, and keeps the speed it was given", async () => {
  await planes.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 1 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[0]!, 0);
  });
  await planes.click('button[title="Cine"]');
  await planes.click('.menu >> text="Once"');
  await planes.locator(".menu input[type=range]").fill("50");
  await escape(planes);
  await planes.evaluate(() => (document.activeElement as HTMLElement).blur());
  const start = await planes.evaluate(() => performance.now());
  await planes.keyboard.press(" ");
  await until(planes, () => {
    const viewport = window.reading.session.active.value!;
    return viewport.playing.value === 0 && viewport.index.value === viewport.range.value.count - 1;
  });
  const seconds = ((await planes.evaluate(() => performance.now())) - start) / 1000;
  // Twenty images at fifty a second; a slow machine skips images, not time.
  expect(seconds).toBeGreaterThan(0.3);
  expect(seconds).toBeLessThan(3);
  await planes.evaluate(() => (window.reading.session.active.value!.loop.value = "bounce"));
  await planes.keyboard.press(" ");
  await until(planes, () => window.reading.session.active.value!.index.value < 10);
  await planes.keyboard.press(" ");
  expect(await planes.evaluate(() => window.reading.session.active.value!.playing.value)).toBe(0);
});

test("a letter in PDF opens as it was stored", async () => {
  const bytes = new TextEncoder().encode("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj trailer<</Root 1 0 R>>\n%%EOF\n");
  const { "00280010": _r, "00280011": _c, "00280100": _b, "7FE00010": _p, ...head } = image();
  const letter = newUid();
  await store({ ...head, "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.104.1"], "00080060": ["CS", "DOC"], "0020000D": ["UI", letter], "00420010": ["ST", "Letter"], "00420011": ["OB", bytes], "00420012": ["LO", "application/pdf"] });
  const { open } = await import("./support");
  const opened = await open(`read.html?lang=en&study=${letter}`, SMALL);
  // The page's policy lets no script fetch what the frame shows: what is put into it is kept.
  await opened.addInitScript(() => {
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob) => {
      if (blob instanceof Blob && blob.type === "application/pdf") Object.assign(window, { letter: blob.arrayBuffer() });
      return make(blob);
    };
  });
  await opened.reload();
  await until(opened, () => document.querySelector("iframe.pdf") !== null);
  expect(await opened.locator("iframe.pdf").getAttribute("src")).toMatch(/^blob:/);
  const stored = await opened.evaluate(async () => [...new Uint8Array(await (window as unknown as { letter: Promise<ArrayBuffer> }).letter)]);
  expect(stored.slice(0, bytes.length)).toEqual([...bytes]);
});

test("nothing of all this complained or asked another host", () => {
  expect([...page.complaints, ...planes.complaints]).toEqual([]);
});
