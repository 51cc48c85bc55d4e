// Every page in both languages, at a desktop's and a phone's width, as pictures for people to look
// at (artefacts/viewer), with what a machine can see of them: nothing wider than the screen, no
// complaint of the browser, no word of the other language. VIEWER_URL names a server with the
// demonstration archive.

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { BASE, drag, drawn, open, settled, until, type Opened } from "../browser/support";

const FOLDER = resolve(import.meta.dirname, "../../../artefacts/viewer");
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
});

test.each(EVERY)("reading (%s, %s)", async (language, size) => {
  const page = await open(`read.html?lang=${language}&study=${await study("CT")}`, SIZES[size]);
  await drawn(page);
  await until(page, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]!.frames;
    return session.store.progress(frames).ready === frames.length;
  }, 60_000);
  await keep(page, `reading-${language}-${size}`);
  await page.evaluate(() => (window.reading.session.tool.value = "ellipse"));
  await drag(page, [180, 200], [260, 260]);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [120, 300], [380, 310]);
  await keep(page, `reading-measured-${language}-${size}`);
});
