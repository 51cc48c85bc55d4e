// What readers set for themselves goes with their accounts, what an administrator sets is everybody's,
// and pictures that leave a page are in the audit.

import { beforeAll, expect, test } from "vitest";
import { image } from "../instances";
import { newUid } from "../../src/dicom/uid";
import { drawn, escape, type Opened, settled, until } from "../browser/support";
import { arrive, cookieOf, signIn } from "./support";
import { BASE } from "../browser/support";

const study = newUid();

beforeAll(async () => {
  for (const number of [1, 2])
    await arrive(image({ study, extra: { "00100020": ["LO", "RP-9"], "00200011": ["IS", number], "0008103E": ["LO", number === 1 ? "Soft" : "Bone"] } }));
});

async function reading(login: string): Promise<Opened> {
  const page = await signIn(login, `read.html?lang=zh&study=${study}`);
  await until(page, () => "reading" in window);
  await drawn(page);
  await until(page, () => window.reading.session.stacks.value.length === 2);
  return page;
}

/** Gives an action another key, through the help page. */
async function bind(page: Opened, action: string, key: string): Promise<void> {
  await page.keyboard.press("?");
  await page.locator(".keymap > div", { hasText: action }).locator("button").click();
  const kept = page.waitForResponse((response) => response.url().includes("/preferences/keyboard") && response.request().method() === "PUT" && response.ok());
  await page.keyboard.press(key);
  await kept;
  await escape(page);
  await until(page, () => document.querySelector("dialog") === null);
}

const chosenBy = async (page: Opened, key: string): Promise<string> => {
  await page.evaluate(() => (window.reading.session.tool.value = "window"));
  await page.keyboard.press(key);
  return page.evaluate(() => window.reading.session.tool.value);
};

test("a key that is changed in one browser is changed in the reader's other one, and in nobody else's", async () => {
  const [here, there] = [await reading("resident"), await reading("resident")];
  await bind(here, "长度", "d");
  // The other one has seen nothing of it, changes another key, and both are kept.
  await bind(there, "椭圆", "j");
  await here.reload();
  await drawn(here);
  await until(here, () => window.reading.session.active.value !== undefined);
  await settled(here);
  expect([await chosenBy(here, "d"), await chosenBy(here, "j"), await chosenBy(here, "l")]).toEqual(["length", "ellipse", "window"]);
  const other = await reading("attending");
  expect([await chosenBy(other, "d"), await chosenBy(other, "l")]).toEqual(["window", "length"]);
  expect(await here.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("viewer.")))).toEqual([]);
});

test("a hanging protocol for everybody hangs by itself for others, who cannot take it away", async () => {
  const chief = await reading("chief");
  await chief.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 2 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[1]!);
    session.showStack(session.viewports.value[1]!, session.stacks.value[0]!);
  });
  await chief.click('button[aria-label="布局"]');
  await chief.click("text=将当前布局保存");
  await chief.fill('dialog input[name="name"]', "全院 CT");
  await chief.check('dialog input[name="automatic"]');
  await chief.check('dialog input[name="shared"]');
  const kept = chief.waitForResponse((response) => response.url().includes("/preferences/shared/") && response.request().method() === "PUT");
  await chief.click("dialog button.primary");
  expect((await kept).status()).toBe(200);
  const resident = await reading("resident");
  await until(resident, () => window.reading.session.layout.value.columns === 2);
  expect(await resident.evaluate(() => window.reading.session.viewports.value.map((v) => v.stack.value?.description))).toEqual(["Bone", "Soft"]);
  await resident.click('button[aria-label="布局"]');
  expect(await resident.locator(".protocol", { hasText: "全院 CT" }).locator(".icon-button").count()).toBe(0);
  await escape(resident);
  await chief.click('button[aria-label="布局"]');
  const removed = chief.waitForResponse((response) => response.url().includes("/preferences/shared/") && response.request().method() === "PUT");
  await chief.locator(".protocol", { hasText: "全院 CT" }).locator(".icon-button").click();
  expect((await removed).status()).toBe(200);
  const again = await reading("resident");
  expect(await again.evaluate(() => window.reading.session.layout.value.columns)).toBe(1);
});

test("a PDF and a print are in the audit, of each study that is seen on them", async () => {
  const chief = await reading("chief");
  await chief.evaluate(() => (window.print = () => undefined));
  await chief.click('button[aria-label="输出与打印"]');
  const download = chief.waitForEvent("download");
  await chief.click("text=保存为 PDF");
  await download;
  await chief.click('button[aria-label="输出与打印"]');
  const noted = chief.waitForResponse((response) => response.url().endsWith("/api/v1/exports"));
  await chief.click(".menu >> text=打印");
  expect((await noted).status()).toBe(204);
  const answer = await fetch(`${BASE}/api/v1/audit?action=study.export&subject=${study}`, { headers: { Cookie: await cookieOf("chief") } });
  const { events } = (await answer.json()) as { events: { actor: string; detail: unknown }[] };
  expect(events.map(({ actor, detail }) => [actor, detail])).toEqual([
    ["chief", { form: "print", panes: 1 }],
    ["chief", { form: "pdf", panes: 1 }],
  ]);
  // Who may not take pictures away is not offered it.
  const resident = await reading("resident");
  expect(await resident.locator('button[aria-label="输出与打印"]').count()).toBe(0);
});
