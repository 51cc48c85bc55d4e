import { expect, test } from "vitest";
import type { Dataset } from "../../src/dicom/json";
import { chestWall, mammograms, projectionOf } from "../../src/dicom/projection";
import { arrange } from "../../src/dicom/stacks";
import type { Item } from "../../src/dicom/write";
import { image, json } from "../instances";

const film = (modality: string, extra: Item = {}): Dataset =>
  json(image({ extra: { "00080060": ["CS", modality], "00200032": ["DS", []], "00200037": ["DS", []], ...extra } }));
const mg = (side: string, view: string): Dataset => film("MG", { "00200062": ["CS", side], "00185101": ["CS", view] });
const code = (value: string, meaning: string): Item => ({ "00080100": ["SH", value], "00080104": ["LO", meaning] });

test("side and view come from the image, the frame's anatomy, the series; the view also from its code", () => {
  expect(projectionOf(mg("R", "CC"))).toEqual({ side: "R", view: "CC", stated: true });
  expect(projectionOf(film("CR", { "00200060": ["CS", "L"], "00185101": ["CS", "AP"] }))).toEqual({ side: "L", view: "AP", stated: true });
  expect(projectionOf(film("MG", { "00200062": ["CS", "L"], "00540220": ["SQ", [code("R-10226", "medio-lateral oblique")]] }))?.view).toBe("MLO");
  expect(projectionOf(film("DX", { "00540220": ["SQ", [code("1", "frog leg")]] }))?.view).toBe("frog leg");
  const anatomy: Item = { "00209072": ["CS", "R"] };
  expect(projectionOf(film("MG", { "52009229": ["SQ", [{ "00209071": ["SQ", [anatomy]] }]] }))?.side).toBe("R");
});

test("a projection says nothing of its side when it has neither a side nor Patient Orientation; cuts are no projections", () => {
  expect(projectionOf(film("DX"))?.stated).toBe(false);
  expect(projectionOf(film("DX", { "00200020": ["CS", ["L", "F"]] }))?.stated).toBe(true);
  expect(projectionOf(film("CT"))).toBeUndefined();
});

test("four views of one series are four stacks, each by its name", () => {
  const series = "1.2.8";
  const four = ["L CC", "R CC", "L MLO", "R MLO"].map((name, n) => {
    const [side, view] = name.split(" ");
    return json(image({ series, number: n + 1, extra: { "00080060": ["CS", "MG"], "00200032": ["DS", []], "00200037": ["DS", []], "00200062": ["CS", side!], "00185101": ["CS", view!] } }));
  });
  expect(arrange(four).stacks.map((stack) => stack.view)).toEqual(["L CC", "R CC", "L MLO", "R MLO"]);
});

const hung = (...names: string[]): (string | undefined)[] | undefined =>
  mammograms(names, (name) => (name.includes(" ") ? mg(name.split(" ")[0]!, name.split(" ")[1]!) : film(name)));

test("mammograms hang right before left, CC before MLO, whatever the order of the series", () => {
  expect(hung("L CC", "R CC", "L MLO", "R MLO")).toEqual(["R CC", "L CC", "R MLO", "L MLO"]);
  expect(hung("L MLO", "R MLO", "L CC", "R CC")).toEqual(["R CC", "L CC", "R MLO", "L MLO"]);
  // A view of one breast only leaves the other's place empty, behind the pairs; what is no mammogram comes last.
  expect(hung("US", "L CC", "L MLO", "R MLO")).toEqual(["R MLO", "L MLO", undefined, "L CC", "US"]);
});

test("where sides or views are not known, or there is no pair, the order of the series stays", () => {
  expect(hung("L CC", "MG")).toBeUndefined();
  expect(hung("L CC", "L MLO")).toBeUndefined();
  expect(hung("DX", "DX")).toBeUndefined();
});

test("the chest wall is where Patient Orientation's rows come from or go to", () => {
  expect(chestWall(film("MG", { "00200020": ["CS", ["P", "L"]] }))).toBe("right");
  expect(chestWall(film("MG", { "00200020": ["CS", ["A", "FR"]] }))).toBe("left");
  expect(chestWall(film("MG"))).toBeUndefined();
});
