// Everybody can use it: axe finds nothing serious, phones, no WebGL2, the worklist by keyboard.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { findings } from "./axe";
import { BASE, canvas, drag, drawn, escape, exact, measured, open, type Opened, read, settled, store, uid, until } from "./support";

const SIDE = 128;
const values = Int16Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE) * 10 - 600);
const phantom = image({ rows: SIDE, columns: SIDE, values });
const study = uid(phantom, "0020000D");

const compressed = newUid();

/** The same image kept as HTJ2K, which the server does with what comes compressed. */
async function storeCompressed(): Promise<void> {
  const plain = image({ study: compressed, rows: SIDE, columns: SIDE, values });
  await store(plain);
  const path = `${BASE}/dicom-web/studies/${compressed}`;
  const accept = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.201";
  const file = await (await fetch(`${path}/series/${uid(plain, "0020000E")}/instances/${uid(plain, "00080018")}`, { headers: { Accept: accept } })).arrayBuffer();
  expect((await fetch(path, { method: "DELETE" })).status).toBe(204);
  const stored = await fetch(`${BASE}/dicom-web/studies`, { method: "POST", headers: { "Content-Type": "application/dicom" }, body: file });
  expect(stored.status, await stored.clone().text()).toBe(200);
}

beforeAll(async () => {
  await storeCompressed();
  await store(phantom, image({ study, rows: SIDE, columns: SIDE, values, extra: { "00200011": ["IS", 2] } }), image());
});

test.each(["zh", "en"])("axe finds nothing serious on the worklist (%s)", async (language) => {
  const page = await open(`?lang=${language}`);
  await until(page, () => document.querySelectorAll("tr[data-key]").length > 0);
  await page.click("tr[data-key] .more button >> nth=0");
  await until(page, () => document.querySelector(".study-actions") !== null);
  expect(await findings(page)).toEqual([]);
  expect(page.complaints.filter((c) => !c.includes("404"))).toEqual([]);
});

test("axe finds nothing serious on the reading page, with panel, menu and help open", async () => {
  const page = await read(study);
  await page.evaluate(() => (window.reading.session.tool.value = "ellipse"));
  await drag(page, [20, 20], [60, 60]);
  await measured(page);
  expect(await findings(page)).toEqual([]);
  await page.click('button[aria-label="Measure"]');
  expect(await findings(page)).toEqual([]);
  await escape(page);
  await page.keyboard.press("?");
  await settled(page);
  expect(await findings(page)).toEqual([]);
});

test("without WebGL2 slices are drawn by the processor, with a notice, and still measure", async () => {
  const page = await open(`read.html?lang=en&study=${study}`, { args: ["--disable-webgl", "--disable-webgl2", "--disable-3d-apis"] });
  await until(page, () => document.querySelector(".notice")?.textContent?.includes("WebGL2") ?? false);
  await until(page, () => window.reading.session.active.value?.pixels.value !== undefined);
  await page.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    const { width, height } = viewport.rect.value;
    viewport.interpolate.value = false;
    viewport.chosen.value = { ...viewport.chosen.value, zoom: 1, center: [width / 2, height / 2] };
  });
  await settled(page);
  const row = await page.evaluate((columns) => {
    const { canvas } = window.reading.painter.current!;
    return [...canvas.getContext("2d")!.getImageData(0, 5, columns, 1).data].filter((_, i) => i % 4 === 0);
  }, SIDE);
  const wanted = Array.from({ length: SIDE }, (_, x) => Math.round(Math.min(Math.max((x * 10 - 600 + 0.5) / 199 + 0.5, 0), 1) * 255));
  expect(Math.max(...row.map((v, i) => Math.abs(v - wanted[i]!)))).toBeLessThanOrEqual(1);
  expect(await page.locator('button[aria-label="Reconstruction"]').count()).toBe(0);
  // The processor filters too.
  await page.click('button[aria-label="Display and filters"]');
  await page.click("text=Sharpen strongly");
  expect(await page.evaluate(() => window.reading.session.active.value!.filter.value)).toBe(3);
  await page.click("text=No filter");
  await escape(page);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [20, 20], [60, 20]);
  expect((await measured(page))[0]).toMatch(/20\.\d mm|19\.9 mm/);
});

test("without WebAssembly the server decodes: the same values, with a notice", async () => {
  const page = await open(`read.html?lang=en&study=${compressed}`, { args: ["--js-flags=--jitless"] });
  expect(await page.evaluate(() => typeof WebAssembly)).toBe("undefined");
  await until(page, () => document.querySelector(".notice")?.textContent?.includes("WebAssembly") ?? false);
  await until(page, () => window.reading.session.active.value?.pixels.value !== undefined);
  const row = await page.evaluate(() => {
    const { session } = window.reading;
    return [...session.store.get(session.active.value!.frame.value!)!.values.subarray(0, 128)];
  });
  expect(row).toEqual([...values.subarray(0, SIDE)]);
  expect(page.complaints).toEqual([]);
});

/** Greatest difference between the server's picture in the pane and what its window says, along a row. */
async function renderedRow(page: Opened, center: number, width: number): Promise<number> {
  const row = await page.evaluate(async () => {
    const image = document.querySelector<HTMLImageElement>("img.rendered")!;
    await image.decode();
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d")!;
    context.drawImage(image, 0, 0);
    return [...context.getImageData(0, 5, image.naturalWidth, 1).data].filter((_, i) => i % 4 === 0);
  });
  expect(row.length).toBe(SIDE);
  return Math.max(...row.map((v, x) => Math.abs(v - Math.min(Math.max((x * 10 - 600 - (center - 0.5)) / (width - 1) + 0.5, 0), 1) * 255)));
}

test("where frames cannot be decoded the server draws them, marked, in the window that is chosen", async () => {
  const page = await open("?lang=en");
  await page.route(/assets\/worker-.*\.js/, (route) => route.abort());
  await page.goto(`${BASE}/read.html?lang=en&study=${study}`);
  await until(page, () => document.querySelector(".preview-mark")?.textContent?.includes("Drawn by the server") ?? false);
  expect(await renderedRow(page, 0, 200)).toBeLessThanOrEqual(1);
  await page.evaluate(() => (window.reading.session.active.value!.chosenVoi.value = { kind: "window", center: -100, width: 800, shape: "LINEAR" }));
  await until(page, () => document.querySelector<HTMLImageElement>("img.rendered")!.src.includes("window=-100,800,linear"));
  await settled(page);
  expect(await renderedRow(page, -100, 800)).toBeLessThanOrEqual(1);
  // It lies where the image lies, so lines are drawn and measured on it; values it has none of.
  const { box, corner } = await page.evaluate(() => {
    const pane = document.querySelector(".pane")!.getBoundingClientRect();
    const r = document.querySelector("img.rendered")!.getBoundingClientRect();
    const m = window.reading.session.active.value!.toScreen.value!;
    return { box: [r.left - pane.left, r.top - pane.top, r.width], corner: [m[4], m[5], m[0] * 128] };
  });
  box.forEach((v, i) => expect(v).toBeCloseTo(corner[i]!, 1));
  await page.evaluate(() => (window.reading.session.tool.value = "ellipse"));
  await drag(page, [20, 20], [60, 60]);
  expect((await measured(page))[0]).toMatch(/^Ellipse \| Area 31[34]\.\d mm²$/);
});

test("where there is no canvas to draw on at all the server draws, and it says so", async () => {
  const page = await open("?lang=en");
  await page.addInitScript(() => (HTMLCanvasElement.prototype.getContext = () => null));
  await page.goto(`${BASE}/read.html?lang=en&study=${study}`);
  await until(page, () => document.querySelector(".preview-mark")?.textContent?.includes("Drawn by the server") ?? false);
  expect(await renderedRow(page, 0, 200)).toBeLessThanOrEqual(1);
});

test("when the GPU goes and does not come back, the processor draws on, and the page says so", async () => {
  const page = await read(study, "&draw=gpu");
  await exact(page);
  const before = await canvas(page, SIDE, SIDE);
  await page.evaluate(() => window.reading.painter.current!.canvas.getContext("webgl2")!.getExtension("WEBGL_lose_context")!.loseContext());
  await until(page, () => document.querySelector(".notice")?.textContent?.includes("graphics processor") ?? false);
  await until(page, () => window.reading.painter.current!.canvas.getContext("2d") !== null);
  await settled(page);
  const after = await canvas(page, SIDE, SIDE);
  expect(before.filter((v, i) => Math.abs(v - after[i]!) > 1)).toEqual([]);
  expect(after.some((v) => v > 200)).toBe(true);
});

test("where the GPU that was found cannot be used for the page, the processor draws, and the page says so", async () => {
  const page = await open("read.html?lang=en");
  await page.addInitScript(() => {
    const getContext = HTMLCanvasElement.prototype.getContext as (this: HTMLCanvasElement, ...kind: unknown[]) => unknown;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...options: unknown[]) {
      return this.isConnected && kind === "webgl2" ? null : getContext.call(this, kind, ...options);
    } as typeof HTMLCanvasElement.prototype.getContext;
  });
  await page.goto(`${BASE}/read.html?lang=en&study=${study}&draw=gpu`);
  await until(page, () => document.querySelector(".notice")?.textContent?.includes("graphics processor") ?? false);
  await drawn(page);
  await exact(page);
  await settled(page);
  expect((await canvas(page, SIDE, SIDE)).some((v) => v > 200)).toBe(true);
  expect(page.complaints).toEqual([]);
});

test("a phone scrolls by touch and zooms with two fingers", async () => {
  const page = await read(study, "", { width: 390, height: 844, touch: true });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  const before = await page.evaluate(() => window.reading.session.active.value!.placement.value!.zoom);
  const box = (await page.locator(".pane").boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const session = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...points: number[]) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: points.map((dx, id) => ({ x: x + dx, y, id })) });
  await touch("touchStart", -40, 40);
  for (let d = 50; d <= 80; d += 10) await touch("touchMove", -d, d);
  await touch("touchEnd");
  await settled(page);
  const after = await page.evaluate(() => window.reading.session.active.value!.placement.value!.zoom);
  expect(after / before).toBeCloseTo(2, 0);
});

test("the worklist filters by a Chinese name only once the input method has committed it", async () => {
  const page = await open("?lang=zh");
  await until(page, () => document.querySelectorAll("tr[data-key]").length > 0);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(decodeURIComponent(request.url())));
  const input = page.locator("input[type=search]").first();
  await input.focus();
  const session = await page.context().newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "wang", selectionStart: 4, selectionEnd: 4 });
  await page.waitForTimeout(400);
  expect(asked.filter((url) => url.includes("PatientName"))).toEqual([]);
  await session.send("Input.insertText", { text: "王小东" });
  await page.waitForRequest((request) => request.url().includes("PatientName"));
  await until(page, () => [...document.querySelectorAll(".column-patient a")].every((a) => a.textContent === "王小东"));
  expect(asked.some((url) => url.includes("PatientName=*王*小*东*"))).toBe(true);
});

test("arrow keys walk the worklist, Enter opens the study", async () => {
  const page = await open("?lang=en");
  await until(page, () => document.querySelectorAll("tr[data-key]").length > 1);
  await page.locator("tr[data-key]").first().focus();
  await page.keyboard.press("ArrowDown");
  const wanted = await page.evaluate(() => (document.activeElement as HTMLElement).dataset["key"]);
  await page.keyboard.press("Enter");
  await page.waitForURL(/read\.html/);
  expect(page.url()).toContain(wanted);
});

test("files are uploaded with a result for each, and deleted again", async () => {
  const { part10 } = await import("../../src/dicom/write");
  const sent = image({ rows: 8, columns: 8, extra: { "00100010": ["PN", "Upload^Test"] } });
  const page = await open("?lang=en&name=Upload");
  await page.setInputFiles("input[type=file] >> nth=0", [
    { name: "good.dcm", mimeType: "application/dicom", buffer: Buffer.from(part10(sent)) },
    { name: "letter.txt", mimeType: "text/plain", buffer: Buffer.from("not DICOM") },
  ]);
  await until(page, () => document.querySelector(".upload")?.textContent?.includes("1 stored, 1 failed") ?? false);
  expect(await page.locator(".upload li").allTextContents()).toEqual(["letter.txtNot a DICOM file", "good.dcmstored"]);
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 1);
  await page.click("tr[data-key] .more button");
  const download = page.waitForEvent("download");
  await page.click("text=Download (zip)");
  expect((await download).suggestedFilename()).toMatch(/\.zip$/);
  await page.click("text=Delete study");
  await page.click("dialog button.danger");
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 0);
  const gone = await fetch(`${BASE}/dicom-web/studies/${uid(sent, "0020000D")}/metadata`);
  expect(gone.status).toBe(404);
});
