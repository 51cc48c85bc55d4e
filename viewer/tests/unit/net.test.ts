import { expect, test } from "vitest";
import { boundaryOf, parameterOf, parts } from "../../src/net/multipart";
import { NO_FILTERS, qido } from "../../src/worklist/query";

const stream = (text: string, piece: number): ReadableStream<Uint8Array> => {
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  return new ReadableStream({
    start(control) {
      for (let i = 0; i < bytes.length; i += piece) control.enqueue(bytes.slice(i, i + piece));
      control.close();
    },
  });
};

const body =
  "\r\n--b\r\nContent-Type: application/octet-stream; transfer-syntax=1.2\r\n\r\none--\r\n-b\r\n--b\r\nX: 2\r\n\r\n\r\n--b--\r\n";

test.each([1, 2, 7, 1000])("parts are found however the body is cut (%i bytes)", async (piece) => {
  const found = [];
  for await (const part of parts(stream(body, piece), "b")) found.push(part);
  expect(found.map((p) => String.fromCharCode(...p.body))).toEqual(["one--\r\n-b", ""]);
  expect(found[0]!.headers.get("content-type")).toContain("transfer-syntax=1.2");
});

test("a body that ends within a part is an error, not a short frame", async () => {
  const read = async (): Promise<void> => {
    for await (const _ of parts(stream("--b\r\nA: 1\r\n\r\nhalf", 5), "b"));
  };
  await expect(read()).rejects.toThrow("ends inside a part");
});

test("boundaries and parameters, quoted or not", () => {
  expect(boundaryOf('multipart/related; type="application/dicom"; boundary="a b"')).toBe("a b");
  expect(boundaryOf("multipart/related; boundary=xyz; type=x")).toBe("xyz");
  expect(parameterOf("application/octet-stream;transfer-syntax=1.2.3", "transfer-syntax")).toBe("1.2.3");
});

test("filters become QIDO parameters; dates count from today", () => {
  const filters = { ...NO_FILTERS, name: "王", period: "week", fromTime: "08:30", toTime: "12:00", birth: "1980-02-03", sex: "F", referring: "Li", studyId: "S-1", uid: "1.2.3" } as const;
  const query = qido(filters, { size: 50, cursor: "abc" }, new Date(2024, 2, 3));
  expect(query).toContainEqual(["PatientName", "*王*"]);
  expect(query).toContainEqual(["StudyDate", "20240226-"]);
  expect(query).toContainEqual(["StudyTime", "083000-120059"]);
  expect(query).toContainEqual(["PatientBirthDate", "19800203"]);
  expect(query).toContainEqual(["PatientSex", "F"]);
  expect(query).toContainEqual(["ReferringPhysicianName", "*Li*"]);
  expect(query).toContainEqual(["StudyID", "*S-1*"]);
  expect(query).toContainEqual(["StudyInstanceUID", "1.2.3"]);
  expect(query).toContainEqual(["cursor", "abc"]);
});

test.each([
  ["张伟", "*张*伟*", false],
  ["张 伟", "*张*伟*", false],
  ["张", "*张*", false],
  ["zhang wei", "*zhang wei*", true],
  ["ZHANG^WEI", "*ZHANG^WEI*", true],
  ["张 wei", "*张 wei*", true],
  ["Patient 7", "*Patient 7*", false],
  ["zh*", "zh*", false], // whoever writes wild cards knows what he wants
])("the name %s is looked for as %s", (name, pattern, sounds) => {
  const query = qido({ ...NO_FILTERS, name }, { size: 50 }, new Date());
  expect(query).toContainEqual(["PatientName", pattern]);
  expect(query.some(([key]) => key === "fuzzymatching")).toBe(sounds);
});
