// What is not in the archive yet is not lost without a question.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { drag, read, store, until, type Opened } from "./support";

const study = newUid();

beforeAll(async () => {
  await store(image({ study }));
});

/** Whether the browser asks before the page is left for the worklist; the reader stays. */
async function asks(page: Opened): Promise<boolean> {
  let asked = false;
  const stay = (dialog: import("playwright-core").Dialog): void => {
    asked = dialog.type() === "beforeunload";
    void dialog.dismiss();
  };
  page.on("dialog", stay);
  await page.click('a[aria-label="Back to the worklist"]', { noWaitAfter: true });
  const left = await page.waitForURL((url) => !url.pathname.endsWith("read.html"), { timeout: 3000 }).then(() => true, () => false);
  page.off("dialog", stay);
  expect(left).toBe(!asked);
  return asked;
}

test("a page with unsaved measurements or key images asks before it goes; one that is saved does not", async () => {
  const page = await read(study);
  await page.keyboard.press("k");
  expect(await asks(page)).toBe(true);
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click("text=Save key images");
  await until(page, () => !window.reading.session.unsavedKeys.value);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [10, 10], [50, 50]);
  expect(await asks(page)).toBe(true);
  await page.click(".panel .button.primary");
  await until(page, () => !window.reading.session.unsavedMeasurements.value);
  expect(await asks(page)).toBe(false);
});

test("what was saved before is not unsaved, and key images can all be taken away", async () => {
  const page = await read(study);
  await until(page, () => window.reading.session.keyFrames.value.length === 1 && window.reading.session.annotations.value.length === 1);
  expect(await page.evaluate(() => [window.reading.session.unsavedKeys.value, window.reading.session.unsavedMeasurements.value])).toEqual([false, false]);
  await page.keyboard.press("k");
  await until(page, () => window.reading.session.unsavedKeys.value);
  await page.evaluate(() => document.querySelector(".panel") ?? document.querySelector<HTMLElement>('button[aria-label="Measurements and key images"]')!.click());
  await page.click("text=Save key images");
  await until(page, () => !window.reading.session.unsavedKeys.value);
  const again = await read(study);
  await until(again, () => window.reading.session.annotations.value.length === 1);
  expect(await again.evaluate(() => window.reading.session.keyFrames.value.length)).toBe(0);
});
