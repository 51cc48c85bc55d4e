// Measurements on cuts through a volume: drawn, stored in the frame of reference, opened again on
// their cut, taken hold of, deleted. tests/test_viewer.py has the reports judged by other programs.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { BASE, click, drag, drawn, measured, read, settled, store, until, type Opened } from "./support";

const study = newUid();
const [SIDE, SLICES] = [40, 20];
/** Slices of 1 x 1 mm, 1.5 mm apart, from (-5, 7, -10) on; 10 HU a millimetre towards the left. */
const block = Array.from({ length: SLICES }, (_, k) =>
  image({
    study,
    series: study,
    number: k + 1,
    rows: SIDE,
    columns: SIDE,
    values: Int16Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE) * 10),
    extra: { "00200032": ["DS", ["-5", "7", String(-10 + 1.5 * k)]], "00280030": ["DS", ["1", "1"]] },
  }),
);
let page: Opened;

/** The group of cuts in the panes, all its slices there. */
async function reconstructed(): Promise<void> {
  await page.evaluate(() => {
    const { session } = window.reading;
    session.mpr(session.stacks.value[0]!);
  });
  await until(page, () => {
    const { session } = window.reading;
    const { frames } = session.stacks.value[0]!;
    return session.store.progress(frames).ready === frames.length;
  });
  await settled(page);
}

/** Makes the pane of a view the one in use. */
async function take(view: string, tool: string): Promise<void> {
  await page.evaluate(
    ([wanted, chosen]) => {
      const { session } = window.reading;
      session.activeId.value = session.viewports.value.find((v) => v.source.value?.kind === "mpr" && v.source.value.view === wanted)!.id;
      session.tool.value = chosen as never;
    },
    [view, tool] as const,
  );
  await settled(page);
}

interface Row {
  readonly [tag: string]: { readonly Value?: readonly unknown[] };
}

async function reports(): Promise<Row[]> {
  const found = await fetch(`${BASE}/dicom-web/studies/${study}/instances?Modality=SR`);
  if (found.status === 204) return [];
  const rows = (await found.json()) as Row[];
  return Promise.all(rows.map(async (row) => ((await (await fetch(`${String(row["00081190"]!.Value![0])}/metadata`)).json()) as Row[])[0]!));
}

/** Every item of a report that has coordinates in the patient. */
function inPatient(item: Row): { type: string; reference: string; points: number[] }[] {
  const own = item["0040A040"]?.Value?.[0] === "SCOORD3D" ? [{ type: String(item["00700023"]!.Value![0]), reference: String(item["30060024"]!.Value![0]), points: item["00700022"]!.Value as number[] }] : [];
  return [...own, ...((item["0040A730"]?.Value ?? []) as Row[]).flatMap(inPatient)];
}

const list = (): Promise<string[]> => measured(page);
const save = async (): Promise<void> => {
  await page.click("text=Save as DICOM SR");
  await until(page, () => !window.reading.session.edited.value && window.reading.session.annotations.value.every((a) => a.saved));
};

beforeAll(async () => {
  await store(...block);
  page = await read(study, "", { width: 1100, height: 800 });
  await page.click('button[aria-label="Measurements and key images"]');
  await reconstructed();
});

test("a length on a coronal cut is stored between the points of the patient it was drawn between", async () => {
  await take("coronal", "length");
  // Image coordinates of a coronal cut: x from the patient's right, y from the head; millimetres here.
  await drag(page, [10, 12], [30, 12]);
  expect((await list())[0]).toContain("20.0 mm");
  await save();
  const [report, ...others] = await reports();
  expect(others).toEqual([]);
  expect(report!["00080016"]!.Value).toEqual(["1.2.840.10008.5.1.4.1.1.88.34"]);
  const [line] = inPatient(report!);
  expect(line).toMatchObject({ type: "POLYLINE", reference: "1.2.3.4" });
  // The volume's edges are half a voxel beyond its outer samples; its middle row is 26.5 mm posterior.
  const top = -10 + 1.5 * (SLICES - 1) + 0.75;
  const wanted = [-5.5 + 10, 26.5, top - 12, -5.5 + 30, 26.5, top - 12];
  line!.points.forEach((v, i) => expect(Math.abs(v - wanted[i]!)).toBeLessThan(0.25));
});

test("what was drawn on straight and oblique cuts comes back there when the study is opened again", async () => {
  await take("sagittal", "ellipse");
  await drag(page, [10, 8], [26, 18]);
  await page.evaluate(() => {
    const source = window.reading.session.active.value!.source.value!;
    if (source.kind === "mpr") source.group.rotate([0, 0, 1], Math.PI / 6);
  });
  await take("coronal", "polygon");
  await click(page, [16, 8], [30, 8]);
  const { at } = await import("./support");
  await page.mouse.dblclick(...(await at(page, 30, 20)));
  await take("coronal", "arrow");
  await drag(page, [20, 20], [26, 24]);
  await until(page, () => document.activeElement?.matches("dialog input") ?? false);
  await page.keyboard.insertText("钙化");
  await page.keyboard.press("Enter");
  await until(page, () => document.querySelector("dialog") === null);
  const before = await list();
  expect(before.length).toBe(4);
  expect(before[1]).toContain("HU");
  await save();
  await page.reload();
  await drawn(page);
  await until(page, () => window.reading.session.annotations.value.length === 4);
  await page.locator(".measurements").waitFor();
  // However many slices are here: what rests on those that are missing is as it was recorded.
  expect(await list()).toEqual(before);
  // No pane shows a cut yet: the list leads to it.
  expect(await page.locator(".annotation").count()).toBe(0);
  await page.click(".measurements .row >> nth=2");
  await until(page, () => document.querySelector('.annotation[data-tool="polygon"]') !== null);
  const seen = await page.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    return { right: viewport.plane.value!.right, pane: document.querySelector('.annotation[data-tool="polygon"]')!.closest(".pane")!.getAttribute("data-pane"), active: String(viewport.id) };
  });
  expect(seen.pane).toBe(seen.active);
  expect(Math.atan2(seen.right[1], seen.right[0])).toBeCloseTo(Math.PI / 6, 3);
  await until(page, () => {
    const { session } = window.reading;
    const { frames } = session.stacks.value[0]!;
    return session.store.progress(frames).ready === frames.length;
  });
  expect(await list()).toEqual(before);
});

test("scrolled away from its cut a measurement is not shown; on it, a handle changes it", async () => {
  await page.click(".measurements .row >> nth=0");
  const here = (): Promise<number> => page.locator('.annotation[data-tool="length"]').count();
  await until(page, () => document.querySelector('.annotation[data-tool="length"]') !== null);
  await page.evaluate(() => window.reading.session.active.value!.scrollBy(2));
  await settled(page);
  expect(await here()).toBe(0);
  await page.evaluate(() => window.reading.session.active.value!.scrollBy(-2));
  await settled(page);
  expect(await here()).toBe(1);
  await page.evaluate(() => (window.reading.session.tool.value = "window"));
  const before = (await list())[0]!;
  await drag(page, [30, 12], [20, 12]);
  const after = (await list())[0]!;
  expect(before).toContain("20.0 mm");
  expect(after).toMatch(/10\.\d mm|9\.9 mm/);
});

test("one deleted is gone from the next report; when none is left there is no report", async () => {
  await page.click(".measurements .icon-button >> nth=0");
  await save();
  const [report, ...others] = await reports();
  expect(others).toEqual([]);
  expect(inPatient(report!).filter((each) => each.type === "MULTIPOINT").length).toBe(3);
  for (let left = 3; left > 0; left--) await page.click(".measurements .icon-button >> nth=0");
  await page.click("text=Save as DICOM SR");
  await until(page, () => !window.reading.session.edited.value);
  expect(await reports()).toEqual([]);
  // One is left for other programs to judge.
  await take("axial", "probe");
  await click(page, [20, 20]);
  await take("axial", "bidirectional");
  await drag(page, [8, 30], [28, 30]);
  await save();
  expect((await reports()).length).toBe(1);
  expect(page.complaints).toEqual([]);
});
