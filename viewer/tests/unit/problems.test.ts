import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { language } from "../../src/i18n";
import { problemText } from "../../src/net/problems";
import { Problem } from "../../src/net/rest";

const SERVER = join(import.meta.dirname, "../../../dicomweb_server");
const CHINESE = /[\u4e00-\u9fff]/;

afterEach(() => {
  language.value = "en";
});

test("a refusal is said in the page's language; in English with the server's words", () => {
  const members = { type: "/problems/identity-changed", detail: "patient or exam have changed since" };
  expect(new Problem(409, members).message).toBe("patient or exam have changed since");
  language.value = "zh";
  expect(new Problem(409, members).message).toMatch(/^患者或检查信息已有变化/);
  expect(new Problem(409, members).type).toBe("identity-changed");
  expect(problemText(409, { type: "/problems/lease-held", holder: { name: "张伟" } })).toBe("他人正在处理此报告：张伟");
  // Of what only the server knows, its sentence stays to be read.
  expect(problemText(400, { type: "/problems/malformed", field: "rank", detail: "rank is no number" })).toContain("rank is no number");
  expect(problemText(507, { detail: "the disk is full" })).toBe("服务器的存储空间已满。（the disk is full）");
  expect(problemText(418, { title: "I'm a teapot" })).toBe("I'm a teapot");
});

test("every refusal that the workflow of reports and the sign-in can give has a Chinese sentence", () => {
  language.value = "zh";
  const names = new Set<string>();
  for (const path of ["web", "access"].flatMap((layer) => readdirSync(join(SERVER, layer)).map((name) => `${layer}/${name}`)).filter((each) => each.endsWith(".py"))) {
    const source = readFileSync(join(SERVER, path), "utf8");
    for (const [, name] of source.matchAll(/\bname="([a-z]+(?:-[a-z]+)+)"/g)) names.add(name!);
    if (path.endsWith("refusals.py")) for (const [, name] of source.matchAll(/"([a-z-]+)": \d{3}/g)) names.add(name!);
  }
  expect(names.size).toBeGreaterThan(30);
  expect([...names].filter((name) => !CHINESE.test(problemText(422, { type: `/problems/${name}`, detail: "-" })))).toEqual([]);
});
