import { expect, test } from "vitest";
import { inserted, measurementText, unitsAt, withTemplate } from "../../src/report/insertion";
import { ucum } from "../../src/report/units";
import { EMPTY, type Template } from "../../src/report/model";

test("a phrase goes in at the caret, after a finished sentence on a line of its own", () => {
  expect(inserted("双肺纹理清晰。", 7, "未见结节。")).toEqual({ text: "双肺纹理清晰。\n未见结节。", caret: 13 });
  expect(inserted("左肺上叶  结节", 5, "磨玻璃")).toEqual({ text: "左肺上叶 磨玻璃 结节", caret: 8 });
  expect(inserted("", 0, "正常")).toEqual({ text: "正常", caret: 2 });
});

test("a measurement reads with its unit as people write it", () => {
  const image = null;
  const one = { tracking_uid: "1", label: "Length", kind: "length", value: 12.34, unit: "mm", image };
  expect(measurementText(one)).toBe("Length 12.3 mm");
  expect(measurementText({ ...one, label: "Mean", unit: "[hnsf'U]", value: -840 })).toBe("Mean -840.0 HU");
  expect(measurementText({ ...one, label: "Maximum", unit: "{SUVbw}g/ml", value: 2.345 })).toBe("Maximum 2.35 SUV");
  expect(measurementText({ ...one, label: "Area", unit: ucum("px²"), value: 9 })).toBe("Area 9.0 px²");
  expect(measurementText({ ...one, value: 0.034 })).toBe("Length 0.034 mm");
  expect(measurementText({ ...one, label: "Angle", unit: "deg", value: 45 })).toBe("Angle 45.0°");
});

const TEMPLATE: Template = {
  template_id: "ct-chest",
  version: 3,
  status: "ACTIVE",
  language: "zh-CN",
  title: "胸部平扫",
  modality: "CT",
  body_part: "CHEST",
  procedure: "",
  sections: { findings: "双肺纹理清晰。", technique: "平扫" },
  fields: [
    { name: "size", label: "大小", type: "number", section: "findings", choices: [], unit: "mm", default: null, required: false },
    { name: "side", label: "侧", type: "choice", section: "findings", choices: ["左", "右"], unit: "", default: "左", required: false },
  ],
};

test("a template fills what is empty and overwrites nothing that was written", () => {
  const begun = withTemplate({ ...EMPTY, sections: { findings: "右肺结节", technique: "  " }, fields: { side: "右" } }, TEMPLATE);
  expect(begun.sections).toEqual({ findings: "右肺结节", technique: "平扫" });
  expect(begun.fields).toEqual({ side: "右" });
  expect(begun.template).toBe("ct-chest@3");
  expect(withTemplate(EMPTY, TEMPLATE).fields).toEqual({ side: "左" });
});

test("a place counted in characters is one in the browser's units, rare characters before it or not", () => {
  const text = "𠮷𠮷𠮷右肺上叶结节。";
  expect(text.slice(unitsAt(text, 3), unitsAt(text, 5))).toBe("右肺");
  expect(unitsAt("左肺", 1)).toBe(1);
  expect(unitsAt("左肺", 9)).toBe(2);
});
