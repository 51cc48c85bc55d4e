// Every page in both languages, at a desktop's and a phone's width, as pictures for people to look
// at (artefacts/pages), with what a machine can see of them: nothing wider than the screen, no
// complaint of the browser, no word of the other language. VIEWER_URL names a server with the
// demonstration archive.

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { BASE, drag, drawn, escape, open, type Opened, settled, until } from "../browser/support";

const FOLDER = resolve(import.meta.dirname, "../../../artefacts/pages");
mkdirSync(FOLDER, { recursive: true });

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844, touch: true } } as const;
const EVERY = (["zh", "en"] as const).flatMap((language) => (["desktop", "phone"] as const).map((size) => [language, size] as const));

interface Row {
  readonly [tag: string]: { readonly Value?: readonly unknown[] };
}

async function studies(): Promise<{ uid: string; modalities: string; patient: string }[]> {
  const rows = (await (await fetch(`${BASE}/dicom-web/studies`)).json()) as Row[];
  return rows.map((row) => ({
    uid: String(row["0020000D"]!.Value![0]),
    modalities: (row["00080061"]?.Value ?? []).join(" "),
    patient: String(row["00100020"]?.Value?.[0]),
  }));
}

const study = async (modality: string): Promise<string> => (await studies()).find((s) => s.modalities.includes(modality))!.uid;

async function keep(page: Opened, name: string): Promise<void> {
  await settled(page);
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide, "pixels beyond the screen").toBeLessThanOrEqual(0);
  expect(page.complaints.filter((c) => !c.includes("404"))).toEqual([]);
}

test.each(EVERY)("the worklist (%s, %s)", async (language, size) => {
  const page = await open(`?lang=${language}`, SIZES[size]);
  await until(page, () => document.querySelectorAll("tr[data-key]").length > 2);
  await until(page, () => [...document.images].every((i) => i.complete));
  await keep(page, `worklist-${language}-${size}`);
  await page.click("tr[data-key] td.more button >> nth=0");
  await until(page, () => document.querySelectorAll(".series-card").length > 0);
  await until(page, () => [...document.images].every((i) => i.complete));
  await keep(page, `worklist-study-${language}-${size}`);
  await page.click(".study-actions button >> nth=0");
  await until(page, () => document.querySelector("dialog[open]") !== null);
  await keep(page, `worklist-correct-${language}-${size}`);
  await escape(page);
  await page.click(".study-actions button >> nth=1");
  await until(page, () => document.querySelector("dialog[open] .danger") !== null);
  await keep(page, `worklist-delete-${language}-${size}`);
  await escape(page);
  await page.setInputFiles("input[type=file] >> nth=0", [
    { name: "letter.txt", mimeType: "text/plain", buffer: Buffer.from("no DICOM") },
    { name: "readme.md", mimeType: "text/plain", buffer: Buffer.from("no DICOM either") },
  ]);
  await until(page, () => document.querySelectorAll(".upload li").length === 2);
  await page.click(".filter-actions button");
  await page.fill("input[name=name]", "nobody");
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 0);
  await keep(page, `worklist-nothing-${language}-${size}`);
});

async function opened(language: string, size: keyof typeof SIZES, ...uids: string[]): Promise<Opened> {
  const page = await open(`read.html?lang=${language}${uids.map((uid) => `&study=${uid}`).join("")}`, SIZES[size]);
  await drawn(page);
  await until(page, () => {
    const { session } = window.reading;
    return session.visible.value.every((v) => !v.stack.value || session.store.progress(v.stack.value.frames).ready === v.stack.value.frames.length);
  }, 90_000);
  return page;
}

test.each(EVERY)("reading (%s, %s)", async (language, size) => {
  const page = await opened(language, size, await study("CT"));
  await keep(page, `reading-${language}-${size}`);
  await page.evaluate(() => (window.reading.session.tool.value = "ellipse"));
  await drag(page, [180, 200], [260, 260]);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [120, 300], [380, 310]);
  await page.keyboard.press("k");
  await keep(page, `reading-measured-${language}-${size}`);
  await page.click(".toolbar .has-menu >> nth=0");
  await keep(page, `reading-window-menu-${language}-${size}`);
  await escape(page);
  await page.keyboard.press("?");
  await until(page, () => document.querySelector("dialog[open]") !== null);
  await keep(page, `reading-help-${language}-${size}`);
  await escape(page);
  if (size === "phone") await page.click(".tools.end button >> nth=0");
  await page.click(".document-tile");
  await page.waitForTimeout(800);
  await keep(page, `reading-letter-${language}-${size}`);
});

test.each([["zh", "desktop"], ["en", "desktop"]] as const)("reconstruction, comparison, colour (%s, %s)", async (language, size) => {
  const all = await studies();
  const [now, prior] = all.filter((s) => s.patient === "DEMO-0001");
  const page = await opened(language, size, now!.uid, prior!.uid);
  await keep(page, `reading-compared-${language}-${size}`);
  await page.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 1 });
    session.mpr(session.stacks.value[0]!);
  });
  await until(page, () => window.reading.painter.current!.drawn > 8, 60_000);
  await page.waitForTimeout(3000);
  await keep(page, `reading-mpr-${language}-${size}`);
});

test.each(EVERY)("an ultrasound film, a film of the chest, an address without a study (%s, %s)", async (language, size) => {
  await keep(await opened(language, size, await study("US")), `reading-ultrasound-${language}-${size}`);
  const chest = await opened(language, size, await study("CR"));
  await chest.evaluate(() => (window.reading.session.active.value!.colormap.value = "hot-iron"));
  await keep(chest, `reading-chest-${language}-${size}`);
  const none = await open(`read.html?lang=${language}`, SIZES[size]);
  await until(none, () => document.querySelector(".pane-state[role=alert]") !== null);
  await keep(none, `reading-nothing-${language}-${size}`);
});
