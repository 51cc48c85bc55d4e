// A browser on the server that VIEWER_URL names, phantoms stored in it, and the page's state.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, expect } from "vitest";
import { part10, type Item } from "../../src/dicom/write";

export const BASE = process.env["VIEWER_URL"]!;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** On a machine that others use too. Nothing is measured by it: a test that passes waits for what it needs only. */
export const PATIENCE_MS = 60_000;

const opened: { context: BrowserContext; profile: string; page: Page; asked: string[] }[] = [];
let before = 0;

/** What each page of a failed test shows, and what it asked for last: the reason is seen nowhere else. */
afterEach(async ({ task }) => {
  const pages = opened.slice(before);
  before = opened.length;
  if (task.result?.state !== "fail") return;
  const told = await Promise.all(
    pages.map(async ({ page, asked }) => {
      const text = await page.evaluate(() => document.body.innerText).catch(String);
      return [page.url(), ...asked.slice(-12), text.replace(/\s+/g, " ").slice(0, 1000)].join("\n");
    }),
  );
  throw new Error(`the pages when it failed:\n${told.join("\n\n")}`);
});

afterAll(async () => {
  for (const { context, profile } of opened) {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
});

export interface Opened extends Page {
  /** Console errors and requests to other hosts so far. */
  readonly complaints: string[];
}

export async function open(
  path: string,
  options: { width?: number; height?: number; touch?: boolean; args?: string[] } = {},
): Promise<Opened> {
  const profile = mkdtempSync(join(tmpdir(), "viewer-test-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    headless: true,
    args: [...FLAGS, ...(options.args ?? [])],
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    hasTouch: options.touch ?? false,
    isMobile: options.touch ?? false,
    acceptDownloads: true,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = context.pages()[0] ?? (await context.newPage());
  opened.push({ context, profile, page, asked: requestsOf(page) });
  const complaints: string[] = [];
  page.on("console", (message) => {
    // SwiftShader remarks on reading pixels back, which only the tests do.
    if (!["error", "warning"].includes(message.type()) || message.text().includes("GL Driver")) return;
    complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    // The browser shows PDF with an extension of its own.
    const url = request.url();
    if (!url.startsWith(BASE) && !/^(blob|data|chrome|chrome-extension):/.test(url)) complaints.push(`request to ${url}`);
  });
  await page.goto(`${BASE}/${path}`);
  if (path.startsWith("read.html")) await started(page);
  if (path.startsWith("read.html")) await until(page, () => window.reading !== undefined);
  return Object.assign(page, { complaints });
}

/** A line for each request of a page that has not been for one of its own files, with how it ended. */
function requestsOf(page: Page): string[] {
  const lines: string[] = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (!/api|dicom-web/.test(pathname)) return;
    const line = lines.push(`${request.method()} ${(pathname + search).slice(0, 200)}`) - 1;
    const since = Date.now();
    const say = (how: string): void => void (lines[line] += `: ${how}, after ${Date.now() - since} ms`);
    request.response().then(
      (response) => say(String(response?.status() ?? request.failure()?.errorText)),
      () => say("gone with its page"),
    );
  });
  return lines;
}

/** Polls, because wait_for_function needs eval, which the pages' policy forbids. */
export async function until<T>(page: Page, read: () => T | Promise<T>, milliseconds = PATIENCE_MS): Promise<T> {
  const end = Date.now() + milliseconds;
  for (;;) {
    // A page that is being loaded has nothing to read yet; what is wrong for good is told at the end.
    const value = await page.evaluate(read).catch((error: unknown) => {
      if (Date.now() > end) throw error;
      return undefined;
    });
    if (value) return value;
    if (Date.now() > end) throw new Error(`still not so after ${milliseconds} ms: ${read}`);
    await new Promise((go) => setTimeout(go, 40));
  }
}

/** Closes the dialog or menu on top as its reader does; it is gone then, and not in the way of the next. */
export async function escape(page: Page): Promise<void> {
  const shown = page.locator("dialog, .menu");
  const before = await shown.count();
  await page.keyboard.press("Escape");
  if (before > 0) await shown.nth(before - 1).waitFor({ state: "hidden" });
}

export async function store(...objects: Item[]): Promise<void> {
  const boundary = "phantom";
  const body = new Blob([
    ...objects.flatMap((object): BlobPart[] => [
      `\r\n--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`,
      part10(object),
    ]),
    `\r\n--${boundary}--`,
  ]);
  const response = await fetch(`${BASE}/dicom-web/studies`, {
    method: "POST",
    headers: { "Content-Type": `multipart/related; type="application/dicom"; boundary=${boundary}` },
    body,
  });
  expect(response.status, await response.clone().text()).toBe(200);
}

export const uid = (object: Item, tag: string): string => object[tag]![1] as string;

/** The reading page on a study, its first image drawn. */
export async function read(study: string, query = "", options: Parameters<typeof open>[1] = {}): Promise<Opened> {
  const page = await open(`read.html?lang=en&study=${study}${query}`, options);
  await drawn(page);
  return page;
}

/** The reading page's scripts have begun: they come after the page has loaded. */
export const started = (page: Page): Promise<boolean> => until(page, () => "reading" in window);

export async function drawn(page: Page): Promise<void> {
  await until(page, () => {
    const viewport = window.reading?.session.active.value;
    return viewport?.pixels.value?.reduced === 1 && viewport.rect.value.width > 0;
  });
  await settled(page);
}

/** Two screen refreshes: what was changed has been drawn. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => new Promise<void>((go) => requestAnimationFrame(() => requestAnimationFrame(() => go()))));
}

/** Where an image point of the active pane is on the page. */
export async function at(page: Page, x: number, y: number): Promise<[number, number]> {
  return page.evaluate(
    ([px, py]) => {
      const viewport = window.reading.session.active.value!;
      const m = viewport.toScreen.value!;
      const box = document.querySelector(`[data-pane="${viewport.id}"]`)!.getBoundingClientRect();
      return [box.left + m[0] * px + m[2] * py + m[4], box.top + m[1] * px + m[3] * py + m[5]] as [number, number];
    },
    [x, y] as const,
  );
}

export async function drag(page: Page, from: readonly [number, number], ...to: (readonly [number, number])[]): Promise<void> {
  // The first measurement opens the list it goes to, and the pane becomes narrower.
  await settled(page);
  await page.mouse.move(...(await at(page, ...from)));
  await page.mouse.down();
  for (const point of to) await page.mouse.move(...(await at(page, ...point)), { steps: 3 });
  await page.mouse.up();
}

export async function click(page: Page, ...points: (readonly [number, number])[]): Promise<void> {
  for (const point of points) await page.mouse.click(...(await at(page, ...point)));
}

export interface Numbers {
  readonly tool: string;
  readonly text: string;
  readonly [quantity: string]: number | string;
}

/** What the list of measurements says, read from the page. */
export async function measured(page: Page): Promise<string[]> {
  await settled(page);
  return page.evaluate(() => [...document.querySelectorAll(".measurements .row")].map((row) => [...row.children].map((c) => c.textContent).join(" | ")));
}

/** The active pane shown pixel for pixel, without interpolation, from its upper left corner. */
export async function exact(page: Page): Promise<void> {
  await page.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    const { width, height } = viewport.rect.value;
    viewport.interpolate.value = false;
    viewport.chosen.value = { ...viewport.chosen.value, zoom: 1, center: [width / 2, height / 2] };
  });
  await settled(page);
}

/** RGB of the canvas in the upper left `columns` x `rows` of the active pane, however it is drawn. */
export async function canvas(page: Page, columns: number, rows: number): Promise<number[]> {
  return page.evaluate(
    ([w, h]) => {
      const { session } = window.reading;
      const painter = window.reading.painter.current!;
      const viewport = session.active.value!;
      painter.draw(viewport);
      const rect = viewport.rect.value;
      const context = new OffscreenCanvas(w!, h!).getContext("2d")!;
      context.drawImage(painter.canvas, -rect.x, -rect.y);
      return [...context.getImageData(0, 0, w!, h!).data].filter((_, i) => i % 4 < 3);
    },
    [columns, rows] as const,
  );
}

/** RGB of the canvas at places of the active pane, CSS pixels from its upper left. */
export async function colours(page: Page, ...places: (readonly [number, number])[]): Promise<number[][]> {
  await settled(page);
  return page.evaluate((all) => {
    const painter = window.reading.painter.current!;
    const viewport = window.reading.session.active.value!;
    painter.draw(viewport);
    const { canvas: drawn, ratio } = painter;
    const rect = viewport.rect.value;
    const context = new OffscreenCanvas(drawn.width, drawn.height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(drawn, 0, 0);
    return all.map(([x, y]) => [...context.getImageData(Math.floor((rect.x + x) * ratio), Math.floor((rect.y + y) * ratio), 1, 1).data.subarray(0, 3)]);
  }, places);
}

/** RGB of the canvas where points of the image are shown. */
export async function shown(page: Page, ...points: (readonly [number, number])[]): Promise<number[][]> {
  const places = await page.evaluate((all) => {
    const m = window.reading.session.active.value!.toScreen.value!;
    return all.map(([x, y]) => [m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5]] as const);
  }, points);
  return colours(page, ...places);
}

declare global {
  interface Window {
    reading: import("../../src/reading/context").Reading;
  }
}
