// Every view of the worklist and of the reading page, in both languages, with what opens over it: axe
// finds nothing that keeps somebody from using it. tests/reporting has the views that need accounts.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { findings } from "./axe";
import { escape, open, type Opened, read, settled, store, until } from "./support";

const LANGUAGES = ["zh", "en"] as const;
const SIDE = 32;
const [now, prior, film, objects, damaged] = [newUid(), newUid(), newUid(), newUid(), newUid()];
const values = Int16Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE) * 20 - 300);

const slices = (study: string, extra: Item = {}): Item[] =>
  [0, 1, 2, 3, 4].map((k) =>
    image({ study, series: study, rows: SIDE, columns: SIDE, values, number: k + 1, extra: { "00100020": ["LO", "P-VIEWS"], "00200032": ["DS", ["0", "0", String(k)]], ...extra } }),
  );

const document = (sopClass: string, modality: string, more: Item): Item => {
  const told = Object.entries(image({ study: objects })).filter(([tag]) => !tag.startsWith("0028") && tag !== "7FE00010");
  return { ...Object.fromEntries(told), "00080016": ["UI", sopClass], "00080060": ["CS", modality], "0008103E": ["LO", modality], ...more };
};

const code = (value: string, meaning: string): Item => ({ "00080100": ["SH", value], "00080102": ["SH", "99TEST"], "00080104": ["LO", meaning] });
const report = document("1.2.840.10008.5.1.4.1.1.88.11", "SR", {
  "0040A040": ["CS", "CONTAINER"],
  "0040A043": ["SQ", [code("1", "Report")]],
  "0040A730": ["SQ", [{ "0040A010": ["CS", "CONTAINS"], "0040A040": ["CS", "TEXT"], "0040A043": ["SQ", [code("2", "Finding")]], "0040A160": ["UT", "Nothing"] }]],
});
const letter = document("1.2.840.10008.5.1.4.1.1.104.1", "DOC", {
  "00420010": ["ST", "Letter"],
  "00420012": ["LO", "application/pdf"],
  "00420011": ["OB", new TextEncoder().encode("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj trailer<</Root 1 0 R>>\n%%EOF\n")],
});
const unknown = document("1.2.840.10008.5.1.4.1.1.66", "OT", { "00080060": ["CS", "OT"] });

beforeAll(async () => {
  await store(...slices(now), ...slices(prior, { "00080020": ["DA", "20230102"] }));
  await store(
    image({ study: film, rows: SIDE, columns: SIDE, values: new Int16Array(SIDE * SIDE * 4), extra: { "00080060": ["CS", "US"], "00280008": ["IS", 4], "00181063": ["DS", "100"], "00200032": ["DS", []] } }),
    report,
    letter,
    unknown,
    image({ study: damaged, rows: SIDE, columns: SIDE, values: new Int16Array(5) }),
  );
});

/** One view after the other, so that what is wrong is named with where. */
class Looked {
  readonly wrong: string[] = [];
  constructor(readonly page: Opened) {}

  async at(view: string): Promise<void> {
    await settled(this.page);
    for (const found of await findings(this.page)) this.wrong.push(`${view}: ${found}`);
  }
}

/** Opens each menu of the toolbar in turn. */
async function menus(looked: Looked): Promise<void> {
  const { page } = looked;
  const buttons = page.locator(".toolbar .has-menu:visible");
  for (let n = 0; n < (await buttons.count()); n++) {
    const name = await buttons.nth(n).getAttribute("aria-label");
    await buttons.nth(n).click();
    await looked.at(`menu ${name}`);
    await escape(page);
  }
}

test.each(LANGUAGES)("the reading page, its menus and dialogs (%s)", async (language) => {
  const page = await read(now, `&lang=${language}`, { width: 1600 });
  await page.goto(page.url().replace("lang=en&", ""));
  await until(page, () => window.reading?.session.active.value?.pixels.value !== undefined);
  const looked = new Looked(page);
  await menus(looked);
  const panel = page.locator(".tools.end > button[aria-pressed], .toolbar button[aria-pressed]");
  expect(await panel.count()).toBeGreaterThan(0);
  await page.evaluate(() => {
    const { session } = window.reading;
    const frame = session.active.value!.frame.value!;
    session.annotations.value = [{ id: "1", uid: "2.25.1", tool: "ellipse", target: { kind: "frame", frame }, points: [[5, 5], [20, 20]], text: "" }];
    session.keyFrames.value = [frame];
  });
  await page.locator(".panel").waitFor();
  await looked.at("measurements and key images");
  await page.locator(".panel section:last-child > .button").click();
  await looked.at("dialog of a view");
  await escape(page);
  await page.evaluate(() => {
    const { session, drafts } = window.reading;
    drafts.pending.value = { ...session.annotations.value[0]!, id: "2", tool: "arrow" };
  });
  await page.locator("dialog input").waitFor();
  await looked.at("dialog of a text");
  await escape(page);
  await page.keyboard.press("?");
  await page.locator("dialog .keymap").waitFor();
  await looked.at("help");
  await escape(page);
  await page.evaluate(() => {
    const { session } = window.reading;
    session.active.value!.colormap.value = "hot-iron";
    session.active.value!.chosenShutter.value = { circle: { center: [16, 16], radius: 10 }, level: 0 };
  });
  await looked.at("colours and shutter");
  expect(looked.wrong).toEqual([]);
  expect(page.complaints).toEqual([]);
});

test.each(LANGUAGES)("reconstruction and comparison (%s)", async (language) => {
  const page = await open(`read.html?lang=${language}&study=${now}&study=${prior}`, { width: 1600 });
  await until(page, () => window.reading.session.viewports.value.length === 2 && window.reading.session.viewports.value.every((v) => v.pixels.value !== undefined));
  const looked = new Looked(page);
  await looked.at("comparison");
  await page.evaluate(() => {
    const { session } = window.reading;
    session.mpr(session.stacks.value[0]!);
  });
  await looked.at("MPR and volume");
  await menus(looked);
  await page.evaluate(() => (window.reading.session.activeId.value = window.reading.session.viewports.value[3]!.id));
  await menus(looked);
  expect(looked.wrong).toEqual([]);
});

test.each(LANGUAGES)("a film, objects that are not pictures, a damaged image, no study (%s)", async (language) => {
  const page = await open(`read.html?lang=${language}&study=${film}`, { width: 1600 });
  await until(page, () => window.reading.session.active.value?.pixels.value !== undefined);
  const looked = new Looked(page);
  await page.evaluate(() => (window.reading.session.active.value!.playing.value = 5));
  await looked.at("film");
  await menus(looked);
  await page.goto(page.url().replace(film, objects));
  await until(page, () => window.reading?.session.documents.value.length === 3);
  for (const modality of ["SR", "DOC", "OT"]) {
    await page.evaluate((wanted) => {
      const { session } = window.reading;
      session.show(session.active.value!, { kind: "document", document: session.documents.value.find((d) => d.modality === wanted)! });
    }, modality);
    await page.locator(".document").waitFor();
    await looked.at(`document ${modality}`);
  }
  await page.goto(page.url().replace(objects, damaged));
  await page.locator(".pane-state[role=alert]").waitFor();
  await looked.at("damaged image");
  await page.goto(page.url().replace(`&study=${damaged}`, ""));
  await page.locator(".pane-state[role=alert] a").waitFor();
  await looked.at("no study");
  expect(looked.wrong).toEqual([]);
});

test.each(LANGUAGES)("the worklist with all that opens on it (%s)", async (language) => {
  const page = await open(`?lang=${language}&id=P-VIEWS`, { width: 1440 });
  await until(page, () => window.document.querySelectorAll("tr[data-key]").length === 2);
  const looked = new Looked(page);
  await page.click("tr[data-key] td.more button >> nth=0");
  await page.locator(".study-actions").waitFor();
  await page.click(".study-actions button >> nth=0");
  await page.locator("dialog[open]").waitFor();
  await looked.at("correct");
  await escape(page);
  await page.click(".study-actions button >> nth=1");
  await page.locator("dialog[open] .danger").waitFor();
  await looked.at("delete");
  await escape(page);
  await page.setInputFiles("input[type=file] >> nth=0", [{ name: "letter.txt", mimeType: "text/plain", buffer: Buffer.from("no DICOM") }]);
  await until(page, () => window.document.querySelectorAll(".upload li").length === 1);
  await looked.at("uploads");
  const menu = page.locator(".has-menu:visible");
  for (let n = 0; n < (await menu.count()); n++) {
    await menu.nth(n).click();
    await looked.at(`menu ${n}`);
    await escape(page);
  }
  await page.fill("input[type=search] >> nth=0", "nobody");
  await until(page, () => window.document.querySelectorAll("tr[data-key]").length === 0);
  await looked.at("nothing found");
  expect(looked.wrong).toEqual([]);
});
