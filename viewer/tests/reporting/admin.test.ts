// The administration page: people, roles, tokens, signing identities, templates, phrases, the audit.

import { expect, test } from "vitest";
import { findings } from "../browser/axe";
import { BASE, open, until } from "../browser/support";
import { shot, signIn } from "./support";

const row = (text: string): string => `.admin-table tbody tr:has-text("${text}")`;

test("a person with an account is added, and may sign in", async () => {
  const page = await signIn("chief", "admin.html?lang=zh#people");
  await page.waitForSelector(row("李住院"));
  expect(await findings(page)).toEqual([]);
  await shot(page, "admin-people-zh");
  await page.click(".admin-actions .button.primary");
  await page.fill('dialog input[name="name"]', "吴新人");
  await page.fill('dialog input[name="licence"]', "L-new");
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(row("吴新人"));
  await page.click(`${row("吴新人")} >> text=添加账户`);
  await page.fill('dialog input[name="login"]', "newcomer");
  await page.fill('dialog input[name="password"]', "a long enough passphrase");
  await page.check('dialog input[name="roles"][value="radiologist"]');
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(`${row("吴新人")} >> text=newcomer`);
  const other = await open("signin.html?lang=zh&next=reports.html");
  await other.fill('input[name="login"]', "newcomer");
  await other.fill('input[name="password"]', "a long enough passphrase");
  await other.click('button[type="submit"]');
  await other.waitForURL((url) => url.pathname.endsWith("/reports.html"));
  // A radiologist administrates nothing: neither the page's tabs nor the server's answers.
  await other.goto(`${BASE}/admin.html?lang=zh#people`);
  await until(other, () => document.querySelector(".page-header") !== null);
  expect(await other.$$(".admin .lists a[href='#people']")).toEqual([]);
  expect(await other.evaluate(async () => (await fetch("api/v1/accounts")).status)).toBe(403);
});

test("a token is shown once, reads, and is worth nothing when revoked", async () => {
  const page = await signIn("chief", "admin.html?lang=zh#tokens");
  await page.click(".admin-actions .button.primary");
  await page.fill('dialog input[name="name"]', "OHIF");
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(".once code");
  const token = (await page.textContent(".once code"))!;
  const studies = (): Promise<number> =>
    fetch(`${BASE}/dicom-web/studies?limit=1`, { headers: { Authorization: `Bearer ${token}` } }).then((r) => r.status);
  expect([200, 204]).toContain(await studies());
  await page.click(`${row("OHIF")} .link`);
  await until(page, () => !document.querySelector(".admin-table")?.textContent?.includes("OHIF"));
  expect(await studies()).toBe(401);
});

test("templates and phrases are written and changed; the audit tells of it and verifies", async () => {
  const page = await signIn("chief", "admin.html?lang=zh#templates");
  await page.click(".admin-actions .button.primary");
  await page.fill('dialog input[name="title"]', "头颅平扫（测试）");
  await page.fill('dialog input[name="modality"]', "CT");
  await page.fill('dialog textarea[name="findings"]', "脑实质未见异常密度。");
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(row("头颅平扫（测试）"));
  expect(await findings(page)).toEqual([]);
  await shot(page, "admin-templates-zh");
  await page.click('.lists a[href="#phrases"]');
  await page.click(".admin-actions .button.primary");
  await page.fill('dialog input[name="title"]', "未见异常（测试）");
  await page.fill('dialog textarea[name="text"]', "未见明显异常。");
  await page.click('dialog button[type="submit"]');
  await page.waitForSelector(row("未见异常（测试）"));
  await page.click('.lists a[href="#audit"]');
  await page.waitForSelector(row("account.sign-in"));
  expect(await findings(page)).toEqual([]);
  await page.click('.audit-filters button:text-is("校验完整性")');
  await page.waitForSelector('.once:has-text("审计链完整")');
  await shot(page, "admin-audit-zh");
});

test.each(["zh", "en"])("every page at phone width, by touch (%s)", async (language) => {
  const page = await signIn("chief", "reports.html");
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ["", "reports.html#unread", "admin.html#people", "admin.html#audit"]) {
    const [file, hash] = path.split("#");
    await page.goto(`${BASE}/${file}?lang=${language}${hash ? `#${hash}` : ""}`);
    await until(page, () => document.querySelector(".page-header") !== null && document.querySelector(".spinner") === null);
    // Nothing sticks out to the side but what scrolls by itself.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await shot(page, `phone-${(file || "index").replace(".html", "")}${hash ? `-${hash}` : ""}-${language}`);
  }
});
