import { expect, test } from "vitest";
import type { Dataset } from "../../src/dicom/json";
import { doubts, samePerson } from "../../src/dicom/patient";

const study = (id?: string, issuer?: string, name: object = { Alphabetic: "Zhang^Wei", Ideographic: "张^伟" }, birth = "19800101", sex = "M"): Dataset => ({
  ...(id === undefined ? {} : { "00100020": { vr: "LO", Value: [id] } }),
  ...(issuer === undefined ? {} : { "00100021": { vr: "LO", Value: [issuer] } }),
  "00100010": { vr: "PN", Value: [name] },
  "00100030": { vr: "DA", Value: [birth] },
  "00100040": { vr: "CS", Value: [sex] },
});

test("a Patient ID is the same person's only with the same issuer, and no ID is nobody's", () => {
  expect(samePerson(study("1", "A"), study("1", "A"))).toBe(true);
  expect(samePerson(study("1", "A"), study("1", "B"))).toBe(false);
  expect(samePerson(study("1"), study("2"))).toBe(false);
  expect(samePerson(study(), study())).toBe(false);
  expect(samePerson(study(""), study(""))).toBe(false);
  // Who writes no issuer contradicts none, but that is said.
  expect(samePerson(study("1"), study("1", "A"))).toBe(true);
  expect(doubts(study("1"), study("1", "A"))).toEqual(["issuer"]);
});

test("another name, birth date or sex is a doubt; what is not said, and how a name is written, is none", () => {
  expect(doubts(study("1"), study("1", undefined, { Alphabetic: "Beta^Berta" }, "19900101", "F"))).toEqual(["name", "birth", "sex"]);
  expect(doubts(study("1"), study("1", undefined, { Alphabetic: "ZHANG WEI" }))).toEqual([]);
  expect(doubts(study("1"), study("1", undefined, { Ideographic: "张^伟" }))).toEqual([]);
  expect(doubts(study("1"), study("1", undefined, { Ideographic: "李^四" }))).toEqual(["name"]);
  expect(doubts(study("1", undefined, { Alphabetic: "Müller^Jörg" }), study("1", undefined, { Alphabetic: "Muller^Jorg" }))).toEqual([]);
  // Latin letters alone against Chinese alone: nobody can say that it is the same name.
  expect(doubts(study("1", undefined, { Alphabetic: "Zhang^Wei" }), study("1", undefined, { Ideographic: "张^伟" }))).toEqual(["name"]);
  expect(doubts(study("1"), { "00100020": { vr: "LO", Value: ["1"] } })).toEqual([]);
});
