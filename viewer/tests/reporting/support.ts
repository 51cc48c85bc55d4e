// People at their browsers, on a server with accounts (tests/reading/people.py hires them).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { part10, type Item } from "../../src/dicom/write";
import { BASE, open, until, type Opened } from "../browser/support";

export const PASSWORD = process.env["VIEWER_PASSWORD"]!;
const SHOTS = process.env["VIEWER_SHOTS"] ?? join(import.meta.dirname, "../../../artefacts/pages");

/** The cookie of a session begun without a browser. */
export async function cookieOf(login: string): Promise<string> {
  const response = await fetch(`${BASE}/api/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ login, password: PASSWORD }),
  });
  expect(response.status, await response.clone().text()).toBe(200);
  return response.headers.getSetCookie()[0]!.split(";")[0]!;
}

/** Somebody new with an account of that role; the login, which is the role's name. */
export async function hired(role: string): Promise<string> {
  const headers = { Cookie: await cookieOf("chief"), Origin: BASE, "Content-Type": "application/json" };
  const made = async (path: string, body: object): Promise<{ person_id: string }> => {
    const response = await fetch(`${BASE}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(response.status, await response.clone().text()).toBe(201);
    return (await response.json()) as { person_id: string };
  };
  const { person_id } = await made("/persons", { name: role, rank: 0 });
  await made("/accounts", { login: role, person_id, roles: [role], password: PASSWORD });
  return role;
}

/** Stores an object and waits until its study is an exam that can be read. */
export async function arrive(object: Item): Promise<string> {
  const cookie = await cookieOf("chief");
  const headers = { Cookie: cookie, Origin: BASE, "Content-Type": "application/dicom" };
  const stored = await fetch(`${BASE}/dicom-web/studies`, { method: "POST", headers, body: part10(object) });
  expect(stored.status, await stored.clone().text()).toBe(200);
  const study = object["0020000D"]![1] as string;
  for (let tries = 0; tries < 200; tries++) {
    const found = await fetch(`${BASE}/api/v1/exams?study=${study}`, { headers: { Cookie: cookie } });
    const { exams } = (await found.json()) as { exams: { complete: boolean }[] };
    if (exams[0]?.complete) return study;
    await new Promise((go) => setTimeout(go, 150));
  }
  throw new Error(`study ${study} has not become a complete exam`);
}

/** A browser in which somebody has signed in through the page and was led to where he wanted. */
export async function signIn(login: string, path: string): Promise<Opened> {
  const page = await open(`signin.html?lang=zh&next=${encodeURIComponent(path)}`);
  await page.evaluate(() => localStorage.setItem("language", "zh"));
  await page.fill('input[name="login"]', login);
  await page.fill('input[name="password"]', PASSWORD);
  await page.click('button[type="submit"]');
  await page.waitForURL((url) => !url.pathname.endsWith("signin.html"));
  return page;
}

/** The report panel's button of an action, by its Chinese name. */
export const button = (name: string): string => `.report-actions button:text-is("${name}")`;

export const saved = (page: Opened): Promise<boolean> =>
  until(page, () => document.querySelector("[data-save]")?.getAttribute("data-save") === "saved");

/** The stage that the panel shows. */
export async function stage(page: Opened, text: string): Promise<void> {
  await page.waitForSelector(`.report-head .chip:text-is("${text}")`);
}

export async function shot(page: Opened, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** Signs in the dialog that shows what will be signed. */
export async function sign(page: Opened, action: string): Promise<void> {
  await page.click(button(action));
  await page.waitForSelector("dialog .sign");
  await page.click('dialog .sign footer .button.primary:not([disabled])');
  await until(page, () => document.querySelector("dialog .sign") === null);
}

export async function giveReason(page: Opened, action: string, reason: string): Promise<void> {
  await page.click(button(action));
  await page.fill('dialog textarea[name="reason"]', reason);
  await page.click("dialog footer .button.primary");
}

/** Somebody who has begun the report on a page and written all that a signature wants. */
export async function written(login: string, path: string): Promise<Opened> {
  const page = await signIn(login, path);
  await page.click(".report-body .button.primary");
  await stage(page, "初诊书写中");
  await page.fill("#report-findings", "双肺纹理清晰，未见实变。");
  await page.fill("#report-impression", "胸部未见明显异常。");
  await page.selectOption(".report-tools select >> nth=1", "false");
  await saved(page);
  return page;
}
