// What changes from instance to instance, put together again (web/opening.py of the server makes it).

import { expect, test } from "vitest";
import { together } from "../../src/net/changes";

const uid = (value: string) => ({ vr: "UI", Value: [value] });
const AT = "https://pacs.example/dicom-web/studies/1/series/2/instances/";

test("an instance has what changed, what stayed, and not what was taken back", () => {
  const both = { vr: "LO", Value: ["both"] };
  const made = together(
    [
      { "00080018": uid("1.1"), "00081030": both, "00204000": { vr: "LT", Value: ["first"] } },
      { "00080018": uid("1.2"), "00204000": null },
      { "00080018": uid("1.3"), "00201041": { vr: "DS", Value: [1.5] } },
    ],
    AT,
  );
  expect(made).toEqual([
    { "00080018": uid("1.1"), "00081030": both, "00204000": { vr: "LT", Value: ["first"] } },
    { "00080018": uid("1.2"), "00081030": both },
    { "00080018": uid("1.3"), "00081030": both, "00201041": { vr: "DS", Value: [1.5] } },
  ]);
});

test("a reference that stays the same is each instance's own, within sequences too", () => {
  const item = (at: string) => ({ vr: "SQ", Value: [{ "00283006": { vr: "OW", BulkDataURI: `${at}bulkdata/00283010/1/00283006` } }] });
  const pixels = (at: string) => ({ vr: "OW", BulkDataURI: `${at}bulkdata/7FE00010` });
  const made = together(
    [
      { "00080018": uid("1.1"), "00283010": item(""), "7FE00010": pixels("") },
      { "00080018": uid("1.2") },
      { "00080018": uid("1.3"), "7FE00010": { vr: "OW", InlineBinary: "AAA=" } },
      { "00080018": uid("1.4"), "00283010": null },
    ],
    AT,
  );
  expect(made[0]).toEqual({ "00080018": uid("1.1"), "00283010": item(`${AT}1.1/`), "7FE00010": pixels(`${AT}1.1/`) });
  expect(made[1]).toEqual({ "00080018": uid("1.2"), "00283010": item(`${AT}1.2/`), "7FE00010": pixels(`${AT}1.2/`) });
  expect(made[2]).toEqual({ "00080018": uid("1.3"), "00283010": item(`${AT}1.3/`), "7FE00010": { vr: "OW", InlineBinary: "AAA=" } });
  expect(made[3]).toEqual({ "00080018": uid("1.4"), "7FE00010": { vr: "OW", InlineBinary: "AAA=" } });
});
