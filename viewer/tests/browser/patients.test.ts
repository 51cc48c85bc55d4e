// Whose studies are offered beside one another, and what is said where that is not sure.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { open, read, store, until } from "./support";

const id = `SAME-${newUid().slice(-8)}`;
const [own, sure, doubtful, foreign, nobody, nobodyElse] = [newUid(), newUid(), newUid(), newUid(), newUid(), newUid()];

const of = (study: string, name: string, extra: Item = {}): Item =>
  image({ study, rows: 8, columns: 8, extra: { "00100010": ["PN", name], "00100020": ["LO", id], "00100021": ["LO", "HOSP_A"], "00080020": ["DA", "20230101"], ...extra } });

beforeAll(async () => {
  await store(
    of(own, "Alpha^Adam", { "00080020": ["DA", "20240101"] }),
    of(sure, "ALPHA^ADAM", { "00081030": ["LO", "Sure"] }),
    of(doubtful, "Gamma^Gina", { "00081030": ["LO", "Doubtful"], "00100040": ["CS", "F"] }),
    of(foreign, "Beta^Berta", { "00081030": ["LO", "Foreign"], "00100021": ["LO", "HOSP_B"] }),
    of(nobody, "No^One", { "00100020": ["LO", []] }),
    of(nobodyElse, "No^Two", { "00100020": ["LO", []] }),
  );
});

const warnings = (): string => document.querySelector(".other-patients")?.textContent ?? "";

test("studies of another issuer are not the patient's; another name or sex is said beside the study, and above the comparison", async () => {
  const page = await read(own);
  await until(page, () => document.querySelectorAll(".prior").length > 0);
  const offered = await page.locator(".prior").allTextContents();
  expect(offered.length).toBe(2);
  expect(offered.find((said) => said.includes("Sure"))).not.toContain("⚠");
  expect(offered.find((said) => said.includes("Doubtful"))).toContain("⚠ other name: Gamma Gina; other sex: F");
  expect(await page.evaluate(warnings)).toBe("");
  await page.click('.prior:has-text("Doubtful")');
  await until(page, () => document.querySelector(".other-patients") !== null);
  const said = await page.evaluate(warnings);
  for (const each of ["Alpha Adam", "Gamma Gina"]) expect(said).toContain(each);
});

test.each([
  [[own, foreign], ["Alpha Adam", "HOSP_A", "Beta Berta", "HOSP_B"]],
  [[nobody, nobodyElse], ["No One", "No Two"]],
])("the studies of two people opened together are named, for as long as they are open (%#)", async (studies, named) => {
  const page = await open(`read.html?lang=zh&${studies.map((study) => `study=${study}`).join("&")}`);
  await until(page, () => document.querySelector(".other-patients") !== null);
  const said = await page.evaluate(warnings);
  expect(said).toContain("不同患者");
  for (const each of named) expect(said).toContain(each);
});

test("the worklist offers and counts the studies of the same issuer only", async () => {
  const page = await open(`?lang=en&id=${id}`, { width: 1500 });
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 4);
  const row = (study: string): string => `tr[data-key="${study}"]`;
  await until(page, () => [...document.querySelectorAll("td.column-priors")].every((cell) => cell.textContent !== "—"));
  expect(await page.textContent(`${row(own)} td.column-priors`)).toBe("2");
  expect(await page.textContent(`${row(foreign)} td.column-priors`)).toBe("0");
  await page.click(`${row(own)} .more button`);
  await page.waitForSelector(".priors li");
  const offered = await page.locator(".priors li").allTextContents();
  expect(offered.length).toBe(2);
  expect(offered.find((said) => said.includes("Doubtful"))).toContain("other name: Gamma Gina");
});
