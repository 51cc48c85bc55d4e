// Every page that needs accounts, in both languages: axe finds nothing that keeps somebody from using
// it, and a picture is kept for people to look at (artefacts/pages).

import { beforeAll, expect, test } from "vitest";
import { image } from "../instances";
import { findings } from "../browser/axe";
import { BASE, escape, open, type Opened, settled, until } from "../browser/support";
import { arrive, shot, signIn } from "./support";

const LANGUAGES = ["zh", "en"] as const;
const TABS = ["people", "roles", "tokens", "identities", "templates", "phrases", "audit"] as const;
const LISTS = ["unread", "mine", "review", "overdue", "issued"] as const;
const studies: Record<string, string> = {};

beforeAll(async () => {
  for (const language of LANGUAGES) studies[language] = await arrive(image({ rows: 64, columns: 64, extra: { "00080050": ["SH", `V-${language}`], "00100020": ["LO", `VP-${language}`], "00180015": ["CS", "CHEST"] } }));
});

/** What axe finds of a view, and its picture. */
async function looked(page: Opened, name: string): Promise<string[]> {
  await until(page, () => document.querySelector(".spinner") === null);
  await settled(page);
  await shot(page, name);
  return (await findings(page)).map((found) => `${name}: ${found}`);
}

test.each(LANGUAGES)("signing in (%s)", async (language) => {
  const page = await open(`signin.html?lang=${language}`);
  await page.locator('input[name="login"]').waitFor();
  expect(await looked(page, `signin-${language}`)).toEqual([]);
});

test.each(LANGUAGES)("worklists of reports, and a report beside its pictures (%s)", async (language) => {
  const page = await signIn("resident", "reports.html");
  await page.evaluate((chosen) => localStorage.setItem("language", chosen), language);
  const wrong: string[] = [];
  for (const list of LISTS) {
    await page.goto(`${BASE}/reports.html?lang=${language}#${list}`);
    await page.locator(".page-header").waitFor();
    wrong.push(...(await looked(page, `reports-${list}-${language}`)));
  }
  await page.goto(`${BASE}/read.html?lang=${language}&study=${studies[language]}&report`, { waitUntil: "load" });
  await page.locator(".report-panel").waitFor();
  wrong.push(...(await looked(page, `report-none-${language}`)));
  await page.click(".report-body .button.primary");
  await page.fill("#report-findings", "双肺纹理清晰。");
  await until(page, () => document.querySelector("[data-save]")?.getAttribute("data-save") === "saved");
  wrong.push(...(await looked(page, `report-written-${language}`)));
  await page.click(".report-actions .button.primary >> nth=0");
  await page.locator("dialog[open]").waitFor();
  wrong.push(...(await looked(page, `report-signing-${language}`)));
  expect(wrong).toEqual([]);
});

test.each(LANGUAGES)("administration, each tab and what it asks for (%s)", async (language) => {
  const page = await signIn("chief", "admin.html");
  await page.evaluate((chosen) => localStorage.setItem("language", chosen), language);
  const wrong: string[] = [];
  for (const tab of TABS) {
    await page.goto(`${BASE}/admin.html?lang=${language}#${tab}`);
    await page.locator(`.lists a[href="#${tab}"][aria-current]`).waitFor();
    wrong.push(...(await looked(page, `admin-${tab}-${language}`)));
    const add = page.locator(".admin-actions .button.primary");
    if ((await add.count()) === 0) continue;
    await add.first().click();
    await page.locator("dialog[open]").waitFor();
    wrong.push(...(await looked(page, `admin-${tab}-asks-${language}`)));
    await escape(page);
  }
  expect(wrong).toEqual([]);
});
