// OHIF's DICOMweb client against a server: stores, searches, retrieves, and says what it saw.
//
//     node dicomweb_client.mjs CLIENT XHR ROOT FILE...
//
// CLIENT is the folder of npm's dicomweb-client, XHR that of npm's xhr2 (the client is made for
// browsers and speaks XMLHttpRequest), ROOT the DICOMweb root; each FILE is stored. All files are
// of one series. Prints one JSON object.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [client, xhr, url, ...files] = process.argv.slice(2);
const require = createRequire(import.meta.url);
globalThis.XMLHttpRequest = require(join(xhr, "lib", "xhr2.js"));
const { api } = require(join(client, "build", "dicomweb-client.js"));

const digest = (buffer) => createHash("sha256").update(new Uint8Array(buffer)).digest("hex");
const value = (dataset, tag) => dataset[tag].Value[0];

const us = new api.DICOMwebClient({ url });
const datasets = files.map((file) => new Uint8Array(readFileSync(file)).buffer);
await us.storeInstances({ datasets });

const [study] = await us.searchForStudies({ queryParams: { PatientName: "*伟*", limit: 10 } });
const nobody = await us.searchForStudies({ queryParams: { PatientID: "nobody" } });
const studyInstanceUID = value(study, "0020000D");
const [series] = await us.searchForSeries({ studyInstanceUID });
const seriesInstanceUID = value(series, "0020000E");
const instances = await us.searchForInstances({
  studyInstanceUID,
  seriesInstanceUID,
  queryParams: { includefield: "NumberOfFrames" },
});

const inSeries = { studyInstanceUID, seriesInstanceUID };
const metadata = await us.retrieveSeriesMetadata(inSeries);
const inStudy = await us.retrieveStudyMetadata({ studyInstanceUID });
const first = { ...inSeries, sopInstanceUID: value(metadata[0], "00080018") };
const alone = await us.retrieveInstanceMetadata(first);
const frames = [];
const anySyntax = [{ mediaType: "application/octet-stream", transferSyntaxUID: "*" }];
for (const mediaTypes of [undefined, anySyntax])
  for (const buffer of await us.retrieveInstanceFrames({ ...first, frameNumbers: [2, 1], mediaTypes })) frames.push(digest(buffer));
const bulk = async (tag) => (await us.retrieveBulkData({ BulkDataURI: metadata[0][tag].BulkDataURI })).map(digest);
const [picture] = await us.retrieveInstanceRendered({ ...first, mediaTypes: [{ mediaType: "image/png" }] });

let failure = 0;
try {
  await us.retrieveInstance({ ...inSeries, sopInstanceUID: "1.2.3.4" });
} catch (error) {
  failure = error.status;
}

const said = {
  study: studyInstanceUID,
  series: seriesInstanceUID,
  nobody: nobody.length,
  found: instances.map((each) => [value(each, "00080018"), value(each, "00280008")]),
  metadata: metadata.map((each) => value(each, "00080018")),
  inStudy: inStudy.length,
  alone: JSON.stringify(alone[0] ?? alone) === JSON.stringify(metadata[0]),
  patientName: value(metadata[0], "00100010"),
  instance: digest(await us.retrieveInstance(first)),
  instances: (await us.retrieveSeries(inSeries)).map(digest),
  everything: (await us.retrieveStudy({ studyInstanceUID })).map(digest),
  frames,
  pixels: await bulk("7FE00010"),
  document: await bulk("00420011"),
  picture: Buffer.from(new Uint8Array(picture)).subarray(0, 4).toString("latin1"),
  failure,
};
process.stdout.write(JSON.stringify(said));
