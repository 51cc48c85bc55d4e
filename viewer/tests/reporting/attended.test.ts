// Pages that are left to themselves: what they ask is no use of the session, and holds no report.

import { expect, test } from "vitest";
import { image } from "../instances";
import { arrive, signIn, stage } from "./support";
import type { Opened } from "../browser/support";

/** The next request of that path, and whether it says that nobody is there. */
const next = async (page: Opened, path: string, by: () => Promise<unknown>): Promise<boolean> => {
  const [request] = await Promise.all([page.waitForRequest((each) => each.url().includes(path)), by()]);
  return (await request.allHeaders())["unattended"] === "?1";
};

test("a worklist that refreshes itself says so, until somebody touches the page", async () => {
  const page = await signIn("associate", "index.html?lang=zh");
  await page.clock.install();
  await page.goto(new URL("reports.html?lang=zh", page.url()).href);
  await page.waitForSelector(".list-filters [role=status]:not(:empty)");
  const turn = (): Promise<boolean> => next(page, "/worklists/unread", () => page.clock.runFor(20_000));
  await page.waitForLoadState("networkidle");
  await turn();
  await page.waitForLoadState("networkidle");
  expect(await turn()).toBe(true);
  await page.waitForLoadState("networkidle");
  await page.mouse.move(200, 300);
  expect(await turn()).toBe(false);
  await page.waitForLoadState("networkidle");
  expect(await turn()).toBe(true);
});

test("a report that nobody works on is held no longer; who touches the page goes on holding it", async () => {
  const values = new Int16Array(16);
  const object = image({ rows: 4, columns: 4, values, extra: { "00080050": ["SH", "AT-1"], "00100020": ["LO", "ATP-1"], "00180015": ["CS", "CHEST"] } });
  const page = await signIn("associate", "index.html?lang=zh");
  await page.clock.install();
  await page.goto(new URL(`read.html?lang=zh&study=${await arrive(object)}&report`, page.url()).href);
  await page.click(".report-body .button.primary");
  await stage(page, "初诊书写中");
  let renewed = 0;
  page.on("request", (request) => (renewed += request.url().endsWith("/lease") ? 1 : 0));
  await page.clock.runFor(5 * 60_000);
  const before = renewed; // by the click that began it
  await page.clock.runFor(15 * 60_000);
  expect(renewed).toBe(before);
  await page.keyboard.press("Shift");
  expect(await next(page, "/lease", () => page.clock.runFor(5 * 60_000))).toBe(false);
});
