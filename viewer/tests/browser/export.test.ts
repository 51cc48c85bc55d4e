// What is seen as PDF and as a film, and videos that come in: what is in the files, pixel by pixel.

import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { BASE, drag, open, read, settled, shown, store, until, type Opened } from "./support";

const SIDE = 64;
const study = newUid();
const series = newUid();
/** Slice k is k * 40 HU all over, but for a white square in its upper left. */
const slices = Array.from({ length: 6 }, (_, k) =>
  image({
    study,
    series,
    number: k + 1,
    rows: SIDE,
    columns: SIDE,
    values: Int16Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE < 8 && i < 8 * SIDE ? 300 : k * 40)),
    extra: { "00200032": ["DS", ["0", "0", String(k)]], "00281050": ["DS", "100"], "00281051": ["DS", "255"] },
  }),
);
let page: Opened;

beforeAll(async () => {
  await store(...slices);
  page = await read(study, "", { width: 800, height: 560 });
  await until(page, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]!.frames;
    return session.store.progress(frames).ready === frames.length;
  });
});

async function saved(on: Page, item: string): Promise<{ name: string; bytes: Buffer }> {
  await on.click('button[aria-label="Export and print"]');
  const download = on.waitForEvent("download");
  await on.click(`text=${item}`);
  const file = await download;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

test("a PDF holds the pane's pixels without loss below a heading with the patient", async () => {
  await page.keyboard.press("Home");
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [10, 50], [50, 50]);
  await page.evaluate(() => (window.reading.session.showCorners.value = false));
  await settled(page);
  const { name, bytes } = await saved(page, "Save as PDF");
  expect(name).toBe("P-1-Phantom.pdf");
  const text = bytes.toString("latin1");
  // Every object is where the table at the end says.
  const start = Number(text.match(/startxref\n(\d+)/)![1]);
  expect(text.slice(start, start + 4)).toBe("xref");
  const places = [...text.slice(start).matchAll(/^(\d{10}) 00000 n/gm)].map((m) => Number(m[1]));
  places.forEach((at, i) => expect(text.slice(at)).toMatch(new RegExp(`^${i + 1} 0 obj`)));
  expect(text).toContain("FEFF738b5c0f4e1c"); // 王小东
  const pictures = [...text.matchAll(/\/Width (\d+) \/Height (\d+) .*?\/Length (\d+) >>\nstream\n/gs)].map((m) => {
    const from = m.index + m[0].length;
    return { width: Number(m[1]), height: Number(m[2]), rgb: inflateSync(bytes.subarray(from, from + Number(m[3]))) };
  });
  expect(pictures.length).toBe(2);
  const [head, pane] = pictures as [(typeof pictures)[0], (typeof pictures)[0]];
  expect(head.rgb.filter((v) => v < 60).length).toBeGreaterThan(500); // written upon
  const at = await page.evaluate(() => {
    const m = window.reading.session.active.value!.toScreen.value!;
    return [[20, 20], [4, 4], [30, 50]].map(([x, y]) => [Math.floor(m[0] * x! + m[4]), Math.floor(m[3] * y! + m[5])] as const);
  });
  const [plain, white, line] = at.map(([x, y]) => [...pane.rgb.subarray((y * pane.width + x) * 3, (y * pane.width + x) * 3 + 3)]);
  const seen = await shown(page, [20, 20], [4, 4]);
  expect(plain).toEqual(seen[0]);
  expect(white).toEqual([255, 255, 255]);
  expect(line![1]! - line![2]!).toBeGreaterThan(40); // the measurement's own colour
});

test("a film has every image for its time, with what is written upon it", async () => {
  await page.evaluate(() => {
    window.reading.session.annotations.value = [];
    window.reading.session.active.value!.cineRate.value = 10;
  });
  const { name, bytes } = await saved(page, "Save as a film");
  expect(name).toMatch(/^P-1-Phantom\.(mp4|webm)$/);
  const type = name.endsWith("mp4") ? "video/mp4" : "video/webm";
  const place = await page.evaluate(() => {
    const m = window.reading.session.active.value!.toScreen.value!;
    const { width, height } = window.reading.session.active.value!.rect.value;
    return [(m[0] * 32 + m[4]) / width, (m[3] * 32 + m[5]) / height] as const;
  });
  const greys = await page.evaluate(
    async ([base64, kind, [x, y]]) => {
      const data = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const video = document.createElement("video");
      video.muted = true;
      video.src = URL.createObjectURL(new Blob([data], { type: kind }));
      await new Promise((go, no) => {
        video.onloadeddata = go;
        video.onerror = () => no(new Error("the film does not play"));
      });
      const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
      const context = canvas.getContext("2d", { willReadFrequently: true })!;
      const seen: number[] = [];
      await new Promise<void>((go) => {
        const look = (): void => {
          context.drawImage(video, 0, 0);
          seen.push(context.getImageData(Math.floor(video.videoWidth * x), Math.floor(video.videoHeight * y), 1, 1).data[0]!);
          if (!video.ended) video.requestVideoFrameCallback(look);
        };
        video.onended = () => go();
        video.requestVideoFrameCallback(look);
        video.playbackRate = 0.5;
        void video.play();
      });
      return { seen, seconds: video.currentTime };
    },
    [bytes.toString("base64"), type, place] as const,
  );
  // 0, 40 ... 200 HU in a window of 255 about 100.
  const wanted = [0, 40, 80, 120, 160, 200].map((v) => Math.round(((v - 99.5) / 254 + 0.5) * 255));
  const levels = greys.seen.filter((v, i, all) => i === 0 || Math.abs(v - all[i - 1]!) > 12);
  expect(levels.length, JSON.stringify([greys, wanted])).toBe(6);
  levels.forEach((v, i) => expect(Math.abs(v - wanted[i]!)).toBeLessThanOrEqual(12));
  expect(greys.seconds).toBeGreaterThan(0.45);
  expect(page.complaints).toEqual([]);
});

/** Stores a stream as one video object; its study. */
async function storeVideo(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<string> {
  const own = newUid();
  const instance = newUid();
  const json = (vr: string, ...Value: unknown[]): unknown => ({ vr, Value });
  const metadata = {
    "00080016": json("UI", "1.2.840.10008.5.1.4.1.1.77.1.1.1"),
    "00080018": json("UI", instance),
    "00080060": json("CS", "ES"),
    "0008103E": json("LO", "Gastroscopy"),
    "00100010": json("PN", { Alphabetic: "Video^Vera" }),
    "00100020": json("LO", "P-9"),
    "0020000D": json("UI", own),
    "0020000E": json("UI", newUid()),
    "00280002": json("US", 3),
    "00280004": json("CS", "YBR_PARTIAL_420"),
    "00280008": json("IS", 6),
    "00280010": json("US", 500),
    "00280011": json("US", 700),
    "00280100": json("US", 8),
    "00280101": json("US", 8),
    "00280102": json("US", 7),
    "00280103": json("US", 0),
    "7FE00010": { vr: "OB", BulkDataURI: "video" },
  };
  const part = (head: string): string => `\r\n--b\r\n${head}\r\n\r\n`;
  const body = new Blob([
    part("Content-Type: application/dicom+json"),
    JSON.stringify([metadata]),
    part(`Content-Type: ${type}\r\nContent-Location: video`),
    bytes,
    "\r\n--b--",
  ]);
  const answer = await fetch(`${BASE}/dicom-web/studies`, {
    method: "POST",
    headers: { "Content-Type": 'multipart/related; type="application/dicom+json"; boundary=b', Accept: "application/dicom+json" },
    body,
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
  return own;
}

test("a video in H.264 plays from the server's stream; its picture is the one that was stored", async () => {
  const { bytes } = await saved(page, "Save as a film");
  if (bytes.subarray(4, 8).toString() !== "ftyp") throw new Error("this Chromium records no MP4, so there is no video to try with");
  const own = await storeVideo(new Uint8Array(bytes), "video/mp4");
  const film = await open(`read.html?lang=en&study=${own}`);
  await until(film, () => (document.querySelector("video")?.readyState ?? 0) >= 2);
  const seen = await film.evaluate(async () => {
    const video = document.querySelector("video")!;
    video.pause();
    video.currentTime = 0.25; // the third image
    await new Promise((go) => (video.onseeked = go));
    const context = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d")!;
    context.drawImage(video, 0, 0);
    return { grey: [...context.getImageData(video.videoWidth >> 1, video.videoHeight >> 1, 1, 1).data], size: [video.videoWidth, video.videoHeight], seekable: video.seekable.end(0) };
  });
  expect(seen.grey[0]).toBeGreaterThan(40);
  expect(seen.grey[0]).toBeLessThan(200);
  expect(seen.seekable).toBeGreaterThan(0.4);
  expect(film.complaints).toEqual([]);
});

/** A sequence header and one empty picture of MPEG-2: 704 x 576, 25 images/s (ISO/IEC 13818-2 §6.2.2). */
const MPEG2 = Uint8Array.from([0, 0, 1, 0xb3, 0x2c, 0x02, 0x40, 0x33, 0xff, 0xff, 0xe0, 0x18, 0, 0, 1, 0xb5, 0x14, 0x8a, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0x0f, 0xff, 0xf8, 0, 0, 1, 0xb7]);

test("a video in MPEG-2, which no browser plays, says so and can be had as it was stored", async () => {
  const own = await storeVideo(MPEG2, "video/mpeg");
  const film = await open(`read.html?lang=en&study=${own}`);
  await until(film, () => document.querySelector(".pane-state[role=alert]")?.textContent?.includes("does not play MPEG-2 video") ?? false);
  expect(await film.locator("video").count()).toBe(0);
  const download = film.waitForEvent("download");
  await film.click("text=Download the video");
  const file = await download;
  expect(file.suggestedFilename()).toBe("Gastroscopy.mpg");
  const { readFile } = await import("node:fs/promises");
  const got = await readFile(await file.path());
  expect([...got.subarray(0, MPEG2.length)]).toEqual([...MPEG2]);
  expect(film.complaints).toEqual([]);
});

test("a video in HEVC that this browser does not play says so and can be had", async () => {
  const { bytes } = await saved(page, "Save as a film");
  // H.264 under HEVC's name would play: what is no stream at all does not.
  const own = await storeVideo(new Uint8Array(bytes.length).fill(7), 'video/H265; transfer-syntax=1.2.840.10008.1.2.4.107');
  const film = await open(`read.html?lang=zh&study=${own}`);
  await until(film, () => document.querySelector(".pane-state[role=alert]")?.textContent?.includes("不能播放 HEVC 视频") ?? false);
  expect(await film.locator("a.button[download]").count()).toBe(1);
});
