// What keeps a report from being signed for the wrong patient, or from losing what was written.

import { expect, test } from "vitest";
import { image } from "../instances";
import { BASE, escape, type Opened, until } from "../browser/support";
import { arrive, button, cookieOf, PASSWORD, saved, sign, signIn, stage, written } from "./support";

const about = (accession: string, patient: string) =>
  image({ rows: 8, columns: 8, extra: { "00080050": ["SH", accession], "00100020": ["LO", patient], "00180015": ["CS", "CHEST"], "00081030": ["LO", "胸部平扫"], "00380010": ["LO", `V-${patient}`] } });

/** The patient's name of a study is put right by somebody else, and the exam knows. */
async function rename(study: string, name: string): Promise<void> {
  const headers = { Cookie: await cookieOf("chief"), Origin: BASE, "Content-Type": "application/json" };
  const body = JSON.stringify({ kind: "correct", study, reason: "CORRECT", attributes: { PatientName: name } });
  const edited = await fetch(`${BASE}/api/v1/edits`, { method: "POST", headers, body });
  expect(edited.ok, await edited.clone().text()).toBe(true);
  for (let tries = 0; tries < 100; tries++) {
    const { exams } = (await (await fetch(`${BASE}/api/v1/exams?study=${study}`, { headers })).json()) as { exams: { patient: { name: string } }[] };
    if (name.startsWith(exams[0]!.patient.name)) return;
    await new Promise((go) => setTimeout(go, 100));
  }
  throw new Error(`the exam of ${study} has not become ${name}'s`);
}

test("before a signature patient and exam are named as the server has them now; a refusal is in the page's language", async () => {
  const study = await arrive(about("S-1", "SP-1"));
  const path = `read.html?lang=zh&study=${study}&report`;
  const resident = await written("resident", path);
  await resident.click(button("签名提交审核"));
  await resident.waitForSelector(".sign-about dd");
  const said = await resident.textContent(".sign-about");
  for (const fact of ["王小东", "Wang XiaoDong", "SP-1", "男", "1980/02/03", "2024/01/02", "CT", "胸部平扫", "S-1"]) expect(said).toContain(fact);
  await escape(resident);
  await sign(resident, "签名提交审核");
  await stage(resident, "待审核");

  const associate = await signIn("associate", path);
  await associate.click(button("开始审核"));
  await stage(associate, "审核中");
  await rename(study, "Li^Si=李^四");
  await associate.click(button("审核签发"));
  await associate.waitForSelector('.sign-about dd:has-text("李四")');
  await associate.click("dialog .sign footer .button.primary:not([disabled])");
  await associate.waitForSelector('.sign .error-text:has-text("患者或检查信息已有变化")');
});

test("a finding of the self-check selects what it names, behind rare characters too; a long text is kept whole, and one too long says so", async () => {
  const study = await arrive(about("S-2", "SP-2"));
  const page = await signIn("resident", `read.html?lang=zh&study=${study}&report`);
  await page.click(".report-body .button.primary");
  await stage(page, "初诊书写中");
  await page.fill("#report-findings", "左肺上叶见结节。");
  await page.fill("#report-impression", "𠮷𠮷𠮷右肺上叶结节。");
  await saved(page);
  await page.click(`.report-section:has(#report-impression) .finding:has-text("右")`);
  const selected = await page.$eval("#report-impression", (box) => {
    const { value, selectionStart, selectionEnd } = box as HTMLTextAreaElement;
    return value.slice(selectionStart, selectionEnd);
  });
  expect(selected).toMatch(/^右/);

  await page.fill("#report-findings", "");
  await page.focus("#report-findings");
  await page.keyboard.insertText("长".repeat(25_000));
  expect((await page.inputValue("#report-findings")).length).toBe(25_000);
  await until(page, () => document.querySelector("[data-save]")?.getAttribute("data-save") !== "saved");
  await saved(page);
  expect(await page.isVisible('.report-section [role="alert"]')).toBe(false);
  await page.keyboard.insertText("长".repeat(180_000));
  await page.waitForSelector('.report-section [role="alert"]:has-text("200,000")');
  expect((await page.inputValue("#report-findings")).length).toBe(200_000);
});

test("what is written as soon as a report is the reader's goes into that report, however slow the line", async () => {
  const path = `read.html?lang=zh&study=${await arrive(about("S-5", "SP-5"))}&report`;
  const resident = await written("resident", path);
  await sign(resident, "签名提交审核");
  const associate = await signIn("associate", path);
  await associate.waitForSelector(button("开始审核"));
  await associate.route("**/working", async (route) => {
    await new Promise((go) => setTimeout(go, 1500));
    await route.continue();
  });
  await associate.click(button("开始审核"));
  await stage(associate, "审核中");
  await associate.fill("#report-impression", "审核时改写。");
  await until(associate, () => document.querySelector("[data-save]")?.getAttribute("data-save") !== "saved");
  await saved(associate);
  await associate.reload();
  await associate.waitForSelector("#report-impression");
  expect(await associate.inputValue("#report-impression")).toBe("审核时改写。");
});

/** Ends the session of a page as the server does, without the page. */
async function end(page: Opened): Promise<void> {
  const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  expect((await fetch(`${BASE}/api/v1/session`, { method: "DELETE", headers: { Cookie: cookie, Origin: BASE } })).ok).toBe(true);
}

const asked = 'dialog:has-text("登录已过期")';

async function signInAgain(page: Opened): Promise<void> {
  await page.fill(`${asked} input[name="login"]`, "chief");
  await page.fill(`${asked} input[name="password"]`, PASSWORD);
  await page.click(`${asked} button[type="submit"]`);
  await until(page, () => document.querySelector("dialog") === null);
}

test("the worklist whose session has ended asks to sign in again, and goes on", async () => {
  await arrive(about("S-3", "SP-3"));
  const page = await signIn("chief", "?lang=zh");
  await page.waitForSelector("tr[data-key]");
  await end(page);
  await page.fill('input[name="id"]', "SP-3");
  await page.waitForSelector(asked);
  await signInAgain(page);
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 1);
  expect(await page.textContent("td.column-patientId")).toBe("SP-3");
});

test("a search whose refusal comes after the reader has signed in again is sent again, and asks nobody once more", async () => {
  await arrive(about("S-4", "SP-4"));
  const page = await signIn("chief", "?lang=zh");
  await page.waitForSelector("tr[data-key]");
  await end(page);
  const told: { refused?: () => void; late?: () => void } = {};
  const refused = new Promise<void>((go) => (told.refused = go));
  const late = new Promise<void>((go) => (told.late = go));
  await page.route(/SP-4/, async (route) => {
    const response = await route.fetch();
    if (response.status() === 401) {
      told.refused!();
      await late;
    }
    await route.fulfill({ response });
  });
  await page.fill('input[name="id"]', "SP-4");
  await refused;
  // Something else that is refused has the reader asked, whether or not he is asked already.
  await page.$eval("tr[data-key] button[aria-expanded]", (details) => (details as HTMLElement).click());
  await page.waitForSelector(asked);
  await signInAgain(page);
  told.late!();
  await until(page, () => document.querySelectorAll("tr[data-key]").length === 1);
  expect(await page.isVisible("dialog")).toBe(false);
});

test("the worklist says that its session has ended though nobody touches it", async () => {
  const page = await signIn("chief", "?lang=zh");
  await page.clock.install();
  await page.reload();
  await page.waitForSelector("tr[data-key]");
  const idle = await page.evaluate(async () => ((await (await fetch("api/v1/session")).json()) as { idle_s: number }).idle_s);
  await end(page);
  await page.clock.fastForward((idle + 5) * 1000);
  await page.waitForSelector(asked);
  await signInAgain(page);
});
