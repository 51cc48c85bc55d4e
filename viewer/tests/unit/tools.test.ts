import { expect, test } from "vitest";
import { TOOLS } from "../../src/tools";
import type { Spacing } from "../../src/geometry/spacing";
import { insidePolygon, polygonArea, statistics } from "../../src/tools/statistics";
import type { Surface } from "../../src/tools/surface";
import type { ToolName } from "../../src/tools/tool";
import type { Vec2 } from "../../src/geometry/vector";

const spacing: Spacing = { row: 2, column: 0.5, source: "patient" };
/** 100 x 100 pixels whose value is their column. */
const surface: Surface = {
  size: [100, 100],
  unit: "HU",
  spacingAt: () => spacing,
  value: (x, y) => (x < 0 || y < 0 || x >= 100 || y >= 100 ? undefined : Math.floor(x)),
};

const measure = (tool: ToolName, points: Vec2[]): Record<string, number> =>
  Object.fromEntries(TOOLS[tool].results(points, surface).map((r) => [r.quantity, r.value]));

test("length counts each direction with its own spacing", () => {
  expect(measure("length", [[0, 0], [60, 20]])["length"]).toBeCloseTo(Math.hypot(30, 40));
});

test("an angle is that of the patient, not of the pixels", () => {
  expect(measure("angle", [[40, 0], [0, 0], [40, 10]])["angle"]).toBeCloseTo(45);
});

test("Cobb's angle is between the lines, at most 90 degrees", () => {
  expect(measure("cobb", [[0, 0], [40, 0], [80, 0], [40, 10]])["angle"]).toBeCloseTo(45);
});

test("a short axis stays perpendicular in the patient", () => {
  const points = TOOLS.bidirectional.complete!([[0, 0], [40, 10]], surface);
  const [a, b, c, d] = points as [Vec2, Vec2, Vec2, Vec2];
  const dot = (b[0] - a[0]) * 0.5 * (d[0] - c[0]) * 0.5 + (b[1] - a[1]) * 2 * (d[1] - c[1]) * 2;
  expect(dot).toBeCloseTo(0);
  const result = measure("bidirectional", [...points]);
  expect(result["longAxis"]).toBeGreaterThanOrEqual(result["shortAxis"]!);
});

test("a rectangle's statistics are of the pixels whose centres are inside", () => {
  const result = measure("rectangle", [[10, 10], [14, 12]]);
  expect(result).toMatchObject({ area: 4 * 0.5 * 2 * 2, mean: 11.5, min: 10, max: 13 });
  expect(result["deviation"]).toBeCloseTo(Math.sqrt((2 * (2.25 + 0.25 + 0.25 + 2.25)) / 7));
});

test("an ellipse's area is exact, its mean that of its middle", () => {
  const result = measure("ellipse", [[20, 20], [60, 40]]);
  expect(result["area"]).toBeCloseTo(Math.PI * 20 * 10);
  expect(result["mean"]).toBeCloseTo(39.5, 1);
});

test("a contour's area is the shoelace formula's, whichever way it was drawn", () => {
  const triangle: Vec2[] = [[0, 0], [10, 0], [0, 10]];
  expect(polygonArea(triangle)).toBe(50);
  expect(polygonArea([...triangle].reverse())).toBe(50);
  expect(insidePolygon(triangle, 2, 2)).toBe(true);
  expect(insidePolygon(triangle, 8, 8)).toBe(false);
});

test("a region without any value has an area and no statistics", () => {
  const result = measure("rectangle", [[200, 200], [210, 210]]);
  expect(Object.keys(result)).toEqual(["area"]);
});

test("while a pixel of a region is not here it has no statistics, and a probe on it no value", () => {
  const arriving: Surface = { ...surface, value: (x, y) => (x >= 12 ? null : surface.value(x, y)) };
  const quantities = (tool: ToolName, points: Vec2[]): string[] => TOOLS[tool].results(points, arriving).map((r) => r.quantity);
  expect(quantities("rectangle", [[10, 10], [14, 12]])).toEqual(["area"]);
  expect(quantities("probe", [[12, 10]])).toEqual([]);
  expect(quantities("rectangle", [[10, 10], [12, 12]])).toContain("mean");
});

test("without a scale lengths are pixels", () => {
  const bare: Surface = { ...surface, spacingAt: () => ({ row: 1, column: 1, source: "none" }) };
  expect(TOOLS.length.results([[0, 0], [3, 4]], bare)[0]).toMatchObject({ value: 5, unit: "px" });
});

test("pixels that are not square and have no size give angles and statistics, no lengths and areas", () => {
  const oblong: Surface = { ...surface, spacingAt: () => ({ row: 2, column: 1, source: "none" }) };
  expect(TOOLS.angle.results([[60, 80], [20, 80], [0, 70]], oblong)[0]!.value).toBeCloseTo(135);
  expect(TOOLS.length.results([[0, 0], [3, 4]], oblong)).toEqual([]);
  expect(TOOLS.bidirectional.results([[0, 0], [4, 0], [2, -1], [2, 1]], oblong)).toEqual([]);
  expect(TOOLS.rectangle.results([[10, 10], [14, 12]], oblong).map((r) => r.quantity)).toEqual(["mean", "deviation", "min", "max"]);
});

test("statistics of one pixel have no deviation", () => {
  expect(statistics(surface, { min: [5, 5], max: [6, 6] }, () => true)).toMatchObject({ count: 1, mean: 5, deviation: 0 });
});
