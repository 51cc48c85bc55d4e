// The worklist: what it asks the server and what it shows of the answer.

import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { part10, type Item } from "../../src/dicom/write";
import { image } from "../instances";
import { BASE, escape, open, store, uid, until } from "./support";

/** Thirty studies of their own institution: ages, dates and counts of images go up, two a patient. */
const institution = `Clinic ${newUid().slice(-6)}`;
const many = Array.from({ length: 30 }, (_, n): Item[] => {
  const study = newUid();
  const series = newUid();
  const extra: Item = {
    "00080020": ["DA", `2023${String((n % 12) + 1).padStart(2, "0")}${String(n + 1 > 28 ? 28 : n + 1).padStart(2, "0")}`],
    "00080030": ["TM", `${String(n % 24).padStart(2, "0")}0000`],
    "00080050": ["SH", `ACC${String(n).padStart(3, "0")}`],
    "00080080": ["LO", institution],
    "00080090": ["PN", n % 3 === 0 ? "Li^Na=李^娜" : "Zhao^Lei"],
    "00081030": ["LO", `Study ${n}`],
    "00100010": ["PN", `Family${String(29 - n).padStart(2, "0")}^Given`],
    "00100020": ["LO", `${institution}-${n >> 1}`],
    "00100030": ["DA", `19${50 + n}0101`],
    "00100040": ["CS", n % 2 ? "F" : "M"],
    "00200010": ["SH", `S${n}`],
  };
  return Array.from({ length: (n % 3) + 1 }, (_, k) => image({ study, series, number: k + 1, rows: 8, columns: 8, extra: { ...extra, "00280030": ["DS", ["1", "1"]] } }));
});
const of = (n: number, tag: string): string => uid(many[n]![0]!, tag);

beforeAll(async () => {
  await store(...many.flat());
});

const rows = (page: Page): Promise<number> => page.locator("tr[data-key]").count();
const column = (page: Page, id: string): Promise<string[]> => page.locator(`td.column-${id}`).allTextContents();
const mine = `lang=en&institution=${encodeURIComponent(institution)}`;

async function list(query = ""): Promise<Page & { complaints: string[] }> {
  const page = await open(`?${mine}${query}`, { width: 1500, height: 800 });
  await until(page, () => document.querySelector("tr[data-key], .message p") !== null);
  return page;
}

async function settledRows(page: Page, count: number): Promise<void> {
  const end = Date.now() + 15_000;
  while ((await rows(page)) !== count) {
    if (Date.now() > end) throw new Error(`${await rows(page)} rows, not ${count}`);
    await page.waitForTimeout(40);
  }
}

test("every filter leaves the studies that match it, and no others", async () => {
  const page = await list();
  await settledRows(page, 30);
  const tries: readonly (readonly [string, string, number])[] = [
    ["name", "Family07", 1],
    ["id", `${institution}-3`, 2],
    ["accession", "ACC01", 10],
    ["description", "Study 2", 11],
    ["referring", "李", 10],
    ["referring", "zhao", 20],
    ["studyId", "S17", 1],
    ["uid", of(5, "0020000D"), 1],
    ["birth", "1960-01-01", 1],
  ];
  for (const [name, value, count] of tries) {
    await page.fill(`input[name=${name}]`, value);
    await settledRows(page, count).catch((error: unknown) => {
      throw new Error(`${name} = ${value}: ${String(error)}`);
    });
    await page.fill(`input[name=${name}]`, "");
    await settledRows(page, 30);
  }
  await page.selectOption("select[name=sex]", "F");
  await settledRows(page, 15);
  await page.selectOption("select[name=sex]", "");
  await page.fill("input[name=fromTime]", "06:00");
  await page.fill("input[name=toTime]", "07:00");
  await settledRows(page, 2);
  await page.fill("input[name=fromTime]", "");
  await page.fill("input[name=toTime]", "");
  await page.selectOption("select[name=period]", "between");
  await page.fill("input[name=from]", "2023-03-01");
  await page.fill("input[name=to]", "2023-04-30");
  await settledRows(page, 6);
  await page.selectOption("select[name=period]", "");
  await page.selectOption("select[name=modality]", "MR");
  await settledRows(page, 0);
  expect(await page.locator(".message").textContent()).toContain("No study matches");
  // The address keeps the filters.
  expect(page.url()).toContain("modality=MR");
  expect(page.complaints).toEqual([]);
});

test("pages are walked by the server's cursor, forwards and back, and none is missed or seen twice", async () => {
  const page = await list();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.selectOption(".page-size select", "25");
  await settledRows(page, 25);
  const first = await column(page, "accession");
  expect(await page.locator(".pager [role=status]").textContent()).toBe("1–25 of 30");
  await page.click('button[aria-label="Next page"]');
  await settledRows(page, 5);
  expect(await page.locator(".pager [role=status]").textContent()).toBe("26–30 of 30");
  const second = await column(page, "accession");
  expect(new Set([...first, ...second]).size).toBe(30);
  expect(await page.locator('button[aria-label="Next page"]').isDisabled()).toBe(true);
  await page.click('button[aria-label="Previous page"]');
  await settledRows(page, 25);
  expect(await column(page, "accession")).toEqual(first);
  const paged = asked.filter((url) => url.includes("cursor="));
  expect(paged.length).toBe(1);
  expect(asked.some((url) => url.includes("offset="))).toBe(false);
});

test("a heading sorts its column, numbers as numbers, and again the other way; a third time as found", async () => {
  const page = await list();
  await settledRows(page, 30);
  const found = await column(page, "patient");
  await page.click("th.column-patient button");
  const names = await column(page, "patient");
  expect(names).toEqual([...names].sort());
  expect(names).not.toEqual(found);
  await page.click("th.column-patient button");
  expect(await column(page, "patient")).toEqual([...names].reverse());
  expect(await page.locator("th.column-patient").getAttribute("aria-sort")).toBe("descending");
  await page.click("th.column-patient button");
  expect(await column(page, "patient")).toEqual(found);
  await page.click("th.column-images button");
  const images = (await column(page, "images")).map((text) => Number(text.split("/")[1]));
  expect(images).toEqual([...images].sort((a, b) => a - b));
  await page.click("th.column-sexAge button");
  const ages = (await column(page, "sexAge")).map((text) => Number(text.match(/\d+/)![0]));
  expect(ages).toEqual([...ages].sort((a, b) => a - b));
});

test("columns are chosen, kept by the browser, and set back", async () => {
  const page = await list();
  await settledRows(page, 30);
  expect(await page.locator("th.column-referring").count()).toBe(0);
  await page.click('button[title="Columns"]');
  await page.click('.menu >> text="Referring"');
  await page.click('.menu >> text="Accession"');
  await escape(page);
  expect(new Set(await column(page, "referring"))).toEqual(new Set(["李娜", "Zhao Lei"]));
  await page.reload();
  await settledRows(page, 30);
  expect(await page.locator("th.column-referring").count()).toBe(1);
  expect(await page.locator("th.column-accession").count()).toBe(0);
  await page.click('button[title="Columns"]');
  await page.click('.menu >> text="The usual columns"');
  expect(await page.locator("th.column-accession").count()).toBe(1);
});

test("the count of the patient's other studies stands in each row", async () => {
  const page = await list("&accession=ACC00");
  await settledRows(page, 10);
  await until(page, () => [...document.querySelectorAll("td.column-priors")].every((cell) => cell.textContent === "1"));
});

test("a study is corrected after a form, the correction is the archive's, and it is undone", async () => {
  const study = of(8, "0020000D");
  const page = await list(`&uid=${study}`);
  await settledRows(page, 1);
  await page.click("td.more button");
  await page.click("text=Correct");
  await until(page, () => document.querySelector("dialog[open]") !== null);
  expect(await page.locator("dialog input[name=PatientName]").inputValue()).toBe("Family21^Given");
  await page.fill("dialog input[name=PatientName]", "Wang^XiaoDong=王^小东");
  await page.fill("dialog input[name=PatientBirthDate]", "1971-02-03");
  await page.fill("dialog input[name=comment]", "wrong patient chosen at the console");
  await page.click("dialog button.primary");
  await until(page, () => document.querySelector("td.column-patient")?.textContent === "王小东");
  const stored = async (): Promise<string> => JSON.stringify(((await (await fetch(`${BASE}/dicom-web/studies/${study}/metadata`)).json()) as unknown[])[0]);
  const corrected = await stored();
  expect(corrected).toContain("王^小东");
  expect(corrected).toContain("19710203");
  expect(corrected).toContain("04000561"); // Original Attributes Sequence
  await page.click(".notice >> text=Undo");
  await until(page, () => document.querySelector("td.column-patient")?.textContent === "Family21 Given");
  expect(await stored()).toContain("Family21^Given");
});

test("a refused correction says why, in the server's words", async () => {
  const page = await list(`&uid=${of(9, "0020000D")}`);
  await settledRows(page, 1);
  await page.click("td.more button");
  await page.click("text=Correct");
  await page.fill("dialog input[name=AccessionNumber]", "longer than sixteen characters");
  await page.click("dialog button.primary");
  await until(page, () => document.querySelector(".notice.error")?.textContent?.includes("00080050") || document.querySelector(".notice.error")?.textContent?.includes("AccessionNumber") || false);
});

/** An account that may look and take away, and nothing else. */
const READER = {
  open: false,
  account: { account_id: "1", login: "looks" },
  person: null,
  acts: ["search", "view", "export"],
  second_factor: false,
  must_enrol: false,
  idle_s: 1800,
  expires_at: null,
};

test("what the session does not allow is not offered", async () => {
  const page = await open("");
  await page.route("**/api/v1/session", (route) => route.fulfill({ json: READER }));
  await page.goto(`${BASE}/?${mine}`);
  await until(page, () => document.querySelector("tr[data-key]") !== null);
  await page.click("td.more button >> nth=0");
  await until(page, () => document.querySelector(".study-actions a[download]") !== null);
  expect(await page.locator(".study-actions").textContent()).not.toMatch(/Delete|Correct/);
  expect(await page.locator("input[type=file]").count()).toBe(0);
  await page.goto(`${BASE}/read.html?lang=en&study=${of(0, "0020000D")}`);
  await page.click('button[aria-label="Measurements and key images"]');
  await until(page, () => document.querySelector(".panel") !== null);
  expect(await page.locator(".panel").textContent()).not.toContain("Keep this view");
  expect(await page.locator('button[aria-label="Export and print"]').count()).toBe(1);
});

test("a folder is uploaded with its folders, held up, gone on with; every file has its result", async () => {
  const folder = mkdtempSync(join(tmpdir(), "viewer-upload-"));
  mkdirSync(join(folder, "inner"));
  const study = newUid();
  const name = `Folder${study.slice(-5)}`;
  const files = Array.from({ length: 50 }, (_, n) => image({ study, number: n + 1, rows: 8, columns: 8, extra: { "00100010": ["PN", name] } }));
  files.forEach((file, n) => writeFileSync(join(folder, n < 25 ? `${n}.dcm` : `inner/${n}.dcm`), part10(file)));
  writeFileSync(join(folder, "inner", "Thumbs.db"), "no DICOM");
  const page = await open(`?lang=en&name=${name}`);
  await until(page, () => document.querySelector("input[type=file]") !== null);
  // The first request is held, so that there is time to pause behind it.
  let release: () => void = () => undefined;
  const held = new Promise<void>((go) => (release = go));
  let sent = 0;
  await page.route("**/dicom-web/studies", async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    if (sent++ === 0) await held;
    await route.continue();
  });
  await page.setInputFiles("input[type=file] >> nth=1", folder);
  await page.click("text=Pause");
  release();
  await until(page, () => document.querySelector(".upload b")?.textContent?.startsWith("Paused: 20") || document.querySelector(".upload b")?.textContent?.startsWith("Paused: 19") || false);
  await page.waitForTimeout(300);
  expect(sent).toBe(1);
  await page.click("text=Continue");
  await until(page, () => document.querySelector(".upload b")?.textContent?.includes("50 stored, 1 failed") ?? false);
  expect(await page.locator(".upload li").count()).toBe(51);
  expect(await page.locator(".upload li.failed").textContent()).toContain("inner/Thumbs.db");
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 1);
  expect(await column(page, "images")).toEqual(["50 / 50"]);
});

/** The files that a zip's directory names: APPNOTE 4.3.12, stored or deflated. */
function unzipped(zip: Buffer): Buffer[] {
  const files: Buffer[] = [];
  for (let at = zip.indexOf("PK\x01\x02"); at >= 0; at = zip.indexOf("PK\x01\x02", at + 4)) {
    const [method, size, local] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 42)];
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const body = zip.subarray(from, from + size);
    files.push(method === 8 ? inflateRawSync(body) : body);
  }
  return files;
}

test("a study comes as a zip whose files are the stored ones", async () => {
  const page = await list(`&uid=${of(2, "0020000D")}`);
  await settledRows(page, 1);
  await page.click("td.more button");
  const download = page.waitForEvent("download");
  await page.click("text=Download (zip)");
  const file = await download;
  const { readFile } = await import("node:fs/promises");
  const files = unzipped(await readFile(await file.path()));
  for (const sent of many[2]!.map((object) => Buffer.from(part10(object)))) expect(files.some((stored) => stored.equals(sent))).toBe(true);
});

test("two studies are picked and opened side by side", async () => {
  const page = await list(`&id=${encodeURIComponent(`${institution}-4`)}`);
  await settledRows(page, 2);
  await page.locator("tr[data-key]").first().focus();
  await page.keyboard.press(" ");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press(" ");
  await page.click("text=Compare");
  await until(page, () => window.reading?.session.viewports.value.length === 2 && window.reading.session.viewports.value.every((v) => v.pixels.value));
  expect(await page.evaluate(() => new Set(window.reading.session.viewports.value.map((v) => v.stack.value!.study)).size)).toBe(2);
});

test("a name is found as the list shows it, by a part of it, and in pinyin", async () => {
  const names = ["Zhang^Wei=张^伟", "=王^小明", "Smith^John"];
  const clinic = `Names ${newUid().slice(-6)}`;
  await store(...names.map((name) => image({ rows: 8, columns: 8, extra: { "00100010": ["PN", name], "00080080": ["LO", clinic] } })));
  const page = await open(`?lang=zh&institution=${encodeURIComponent(clinic)}`, { width: 1500, height: 800 });
  await settledRows(page, 3);
  for (const [asked, found] of [
    ...["张", "伟", "张伟", "张 伟", "zhang wei", "zhangwei", "wei zhang", "ZHANG^WEI", "zhang", "zha", "zhangw"].map((each) => [each, "张伟"]),
    ...["王小明", "小明", "wang xiaoming", "wangxiaoming", "wang xiaom"].map((each) => [each, "王小明"]),
    ["john smith", "Smith John"],
    ["smith", "Smith John"],
  ] as const) {
    await page.fill("input[name=name]", asked);
    const end = Date.now() + 15_000;
    for (let shown = ""; shown !== found; ) {
      const cells = await column(page, "patient");
      shown = cells.length === 1 ? cells[0]!.trim() : "";
      if (shown !== found && Date.now() > end) throw new Error(`${asked} finds ${cells.join(", ") || "nothing"}`);
    }
  }
});
