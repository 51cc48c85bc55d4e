// Layouts, links between panes, reconstruction, film, key images, languages.

import { beforeAll, expect, test } from "vitest";
import { image } from "../instances";
import { newUid } from "../../src/dicom/uid";
import { canvas, drag, open, read, settled, store, uid, until, type Opened } from "./support";
import type { Item } from "../../src/dicom/write";

const SIDE = 64;
const SLICES = 24;
const study = newUid();

/** A ball of 500 HU, radius 20 mm about (16, 16, 23) mm, in slices of 0.5 x 0.5 x 2 mm. */
function ball(series: string, on = study, extra: Item = {}): Item[] {
  return Array.from({ length: SLICES }, (_, k) =>
    image({
      study: on,
      series,
      number: k + 1,
      rows: SIDE,
      columns: SIDE,
      values: Int16Array.from({ length: SIDE * SIDE }, (_, i) =>
        Math.hypot((i % SIDE) * 0.5 - 16, Math.floor(i / SIDE) * 0.5 - 16, k * 2 - 23) <= 12 ? 500 : -500,
      ),
      extra: { "00200032": ["DS", ["0", "0", String(k * 2)]], "00281051": ["DS", "1000"], ...extra },
    }),
  );
}

const first = newUid();
let page: Opened;

beforeAll(async () => {
  await store(...ball(first));
  await store(...ball(newUid(), study, { "00200011": ["IS", 2], "0008103E": ["LO", "Second"] }));
  page = await read(study);
  await until(page, () => window.reading.session.stacks.value.length === 2);
});

const reset = async (): Promise<void> => {
  await page.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 1 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[0]!, 0);
    session.tool.value = "window";
  });
  await settled(page);
};

test("the wheel scrolls, arrow keys scroll, End goes to the last image", async () => {
  await reset();
  await page.hover(".pane");
  await page.mouse.wheel(0, 100);
  await page.keyboard.press("ArrowDown");
  expect(await page.evaluate(() => window.reading.session.active.value!.index.value)).toBe(2);
  await page.keyboard.press("End");
  expect(await page.locator(".corner.bottom.right").textContent()).toContain(`${SLICES} / ${SLICES}`);
});

test("dragging changes the window, a preset sets it, and the picture follows", async () => {
  await reset();
  await drag(page, [10, 10], [30, 20]);
  const dragged = await page.evaluate(() => window.reading.session.active.value!.voi.value);
  expect(dragged).not.toMatchObject({ width: 1000 });
  await page.click('button[title="Window width and level"]');
  await page.click("text=Lung");
  await settled(page);
  expect(await page.locator(".corner.bottom.left").textContent()).toContain("W 1,500 L -600");
});

test("layouts to 4 x 4, and a series dragged from the strip lands in its pane", async () => {
  await reset();
  await page.click('button[aria-label="Layout"]');
  await page.click('button[aria-label="4 × 4"]');
  expect(await page.locator(".pane").count()).toBe(16);
  await page.dragAndDrop(".tile >> nth=1", ".pane >> nth=7");
  await settled(page);
  expect(await page.evaluate(() => window.reading.session.viewports.value[7]!.stack.value?.description)).toBe("Second");
  await page.dblclick(".pane >> nth=7");
  await settled(page);
  expect(await page.locator(".pane").count()).toBe(1);
});

test("linked panes scroll by position, window and zoom together", async () => {
  await reset();
  await page.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 2 });
    session.showStack(session.viewports.value[1]!, session.stacks.value[1]!, 3);
    session.sync.toggleScroll();
    session.sync.window.value = session.sync.view.value = true;
  });
  await settled(page);
  await page.hover(".pane >> nth=0");
  await page.mouse.wheel(0, 100);
  await page.mouse.wheel(0, 100);
  const state = await page.evaluate(() => window.reading.session.viewports.value.map((v) => v.frame.value!.plane!.origin[2]));
  expect(state[0]).toBe(state[1]);
  await drag(page, [10, 10], [30, 20]);
  await page.keyboard.press("Shift+!");
  const [a, b] = await page.evaluate(() => window.reading.session.viewports.value.map((v) => ({ voi: v.voi.value, zoom: v.placement.value!.zoom })));
  expect(a).toEqual(b);
});

test("another day's scan, of another frame of reference, follows by its offset", async () => {
  const other = newUid();
  await store(...ball(newUid(), other, { "00200052": ["UI", newUid()] }));
  const both = await open(`read.html?lang=en&study=${study}&study=${other}`);
  await until(both, () => window.reading?.session.viewports.value.length === 2 && window.reading.session.viewports.value.every((v) => v.pixels.value));
  await both.evaluate(() => {
    const [a, b] = window.reading.session.viewports.value;
    a!.scrollTo(10);
    b!.scrollTo(6);
    window.reading.session.sync.toggleScroll();
  });
  await both.hover(".pane >> nth=0");
  await both.mouse.wheel(0, 100);
  await both.mouse.wheel(0, 100);
  expect(await both.evaluate(() => window.reading.session.viewports.value.map((v) => v.index.value))).toEqual([12, 8]);
});

test("MPR: the coronal cut of a ball is a circle of its size, in true proportion", async () => {
  await reset();
  await page.click('button[aria-label="Reconstruction"]');
  await page.click("text=Multiplanar");
  await until(page, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]!.frames;
    return session.store.progress(frames).ready === frames.length;
  });
  const size = await page.evaluate(() => {
    const viewport = window.reading.session.viewports.value[2]!;
    window.reading.session.activeId.value = viewport.id;
    const source = viewport.source.value!;
    if (source.kind !== "mpr") throw new Error(source.kind);
    source.group.center.value = [16, 16, 23];
    viewport.chosenVoi.value = { kind: "window", center: 0, width: 2, shape: "LINEAR" };
    viewport.fit();
    const { width, height } = viewport.rect.value;
    return { width: Math.floor(width), height: Math.floor(height), perMillimetre: viewport.placement.value!.zoom / viewport.plane.value!.columnSpacing };
  });
  await settled(page);
  const rgb = await canvas(page, size.width, size.height);
  const white = (x: number, y: number): boolean => rgb[(y * size.width + x) * 3]! > 127;
  const columns = Array.from({ length: size.width }, (_, x) => x).filter((x) => Array.from({ length: size.height }, (_, y) => y).some((y) => white(x, y)));
  const rows = Array.from({ length: size.height }, (_, y) => y).filter((y) => Array.from({ length: size.width }, (_, x) => x).some((x) => white(x, y)));
  expect((columns.at(-1)! - columns[0]! + 1) / size.perMillimetre).toBeCloseTo(24, -0.3);
  expect(Math.abs((rows.at(-1)! - rows[0]! + 1) / size.perMillimetre - 24)).toBeLessThan(2.1);
});

test("MIP: a slab of the whole ball keeps its greatest value everywhere the ball is", async () => {
  await page.evaluate(() => {
    const { session } = window.reading;
    const viewport = session.viewports.value[0]!;
    session.activeId.value = viewport.id;
    const source = viewport.source.value!;
    if (source.kind === "mpr") source.group.center.value = [16, 16, 40];
    viewport.chosenVoi.value = { kind: "window", center: 0, width: 2, shape: "LINEAR" };
    viewport.slab.value = { mode: "max", thickness: 0 };
  });
  await settled(page);
  const lit = async (): Promise<number> => {
    const [w, h] = await page.evaluate(() => {
      const { width, height } = window.reading.session.active.value!.rect.value;
      return [Math.floor(width), Math.floor(height)] as const;
    });
    return (await canvas(page, w, h)).filter((v) => v > 127).length;
  };
  expect(await lit()).toBe(0);
  await page.evaluate(() => (window.reading.session.active.value!.slab.value = { mode: "max", thickness: 60 }));
  await settled(page);
  const maximum = await lit();
  expect(maximum).toBeGreaterThan(1000);
  await page.evaluate(() => (window.reading.session.active.value!.slab.value = { mode: "min", thickness: 60 }));
  await settled(page);
  expect(await lit()).toBe(0);
});

test("volume rendering shows the ball, and turning it keeps it there", async () => {
  await page.evaluate(() => {
    const { session } = window.reading;
    session.activeId.value = session.viewports.value[3]!.id;
    session.viewports.value[3]!.volumePreset.value = "bone";
  });
  await settled(page);
  const middle = async (): Promise<number> => {
    const [w, h] = await page.evaluate(() => {
      const { width, height } = window.reading.session.active.value!.rect.value;
      return [Math.floor(width), Math.floor(height)] as const;
    });
    const rgb = await canvas(page, w, h);
    return rgb[(Math.floor(h / 2) * w + Math.floor(w / 2)) * 3]!;
  };
  expect(await middle()).toBeGreaterThan(60);
  await page.evaluate(() => (window.reading.session.active.value!.turn.value = [1, 0.5]));
  await settled(page);
  expect(await middle()).toBeGreaterThan(60);
});

test("a film plays, loops and stops", async () => {
  await reset();
  await page.evaluate(() => (window.reading.session.active.value!.cineRate.value = 60));
  await page.keyboard.press(" ");
  await until(page, () => window.reading.session.active.value!.index.value > 3);
  await page.keyboard.press(" ");
  const stopped = await page.evaluate(() => window.reading.session.active.value!.index.value);
  await settled(page);
  expect(await page.evaluate(() => window.reading.session.active.value!.index.value)).toBe(stopped);
});

test("key images are kept as a KOS object and come back", async () => {
  await reset();
  await page.keyboard.press("k");
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click("text=Save key images");
  await until(page, () => document.querySelector(".notice.info") !== null);
  const again = await read(study);
  await until(again, () => window.reading.session.keyFrames.value.length === 1);
});

test("a pseudo-colour map has a legend with the window's ends", async () => {
  await reset();
  await page.click('button[aria-label="Pseudo-colour"]');
  await page.click("text=Hot iron");
  await settled(page);
  expect(await page.locator(".legend text").allTextContents()).toEqual(["500 HU", "-500"]);
});

test("corner information and orientation letters come from the data, in both languages", async () => {
  const chinese = await open(`read.html?lang=zh&study=${study}`);
  await until(chinese, () => document.querySelectorAll(".corner").length === 4);
  expect(await chinese.locator(".corner.top.left").textContent()).toContain("王小东");
  expect(await chinese.locator(".corner.top.left").textContent()).toContain("男 · 43岁");
  expect(await chinese.locator(".corner.top.right").textContent()).toContain("测试医院");
  expect(await chinese.locator(".letter").allTextContents()).toEqual(["R", "L", "A", "P"]);
  expect(await chinese.locator("html").getAttribute("lang")).toBe("zh-CN");
});

test("an instance whose frame is damaged says so in the pane", async () => {
  const broken = image({ rows: SIDE, columns: SIDE });
  await store(broken);
  const bad = await open("");
  await bad.route("**/opening", (route) => route.abort()); // it has the frame too
  await bad.route("**/frames/**", (route) => route.fulfill({ status: 500, body: "broken" }));
  await bad.goto(`${process.env["VIEWER_URL"]}/read.html?lang=en&study=${uid(broken, "0020000D")}`);
  await until(bad, () => document.querySelector(".pane-state.error")?.textContent?.includes("500") ?? false);
  // What the server can still draw is shown, and the frame itself asked for again.
  await bad.unroute("**/frames/**");
  await bad.route("**/frames/*", (route) => route.fulfill({ status: 500, body: "broken" }));
  await bad.click("text=Try again");
  await until(bad, () => document.querySelector(".preview-mark")?.textContent?.includes("Drawn by the server") ?? false);
  await bad.unroute("**/frames/*");
  await bad.click("text=Try again");
  await until(bad, () => window.reading.session.active.value?.pixels.value !== undefined && document.querySelector("img.rendered") === null);
});

test("nothing of all this complained or asked another host", () => {
  expect(page.complaints).toEqual([]);
});
