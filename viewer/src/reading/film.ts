// A pane's stack recorded as a film, each image for its time: MP4 where the browser writes it, else
// WebM. Images that have not arrived are waited for.

import { t } from "../i18n";
import { rateOf } from "./cine";
import type { Reading } from "./context";
import { compose, recording } from "./export";
import type { Viewport } from "./viewport";

const TYPES = ["video/mp4;codecs=avc1.42E01F", "video/webm;codecs=vp9", "video/webm;codecs=vp8"];
const BITS = 12_000_000; // a second: edges of bone and text stay sharp

const waitFor = (milliseconds: number): Promise<void> => new Promise((go) => setTimeout(go, milliseconds));
const refresh = (): Promise<void> => new Promise((go) => requestAnimationFrame(() => go()));

export async function film(reading: Reading, viewport: Viewport): Promise<{ blob: Blob; ending: string }> {
  const type = typeof MediaRecorder === "undefined" ? undefined : TYPES.find((each) => MediaRecorder.isTypeSupported(each));
  if (!type) throw new Error(t("film.unsupported"));
  const { count, at } = viewport.range.value;
  if (count < 2) throw new Error(t("film.single"));
  const interval = 1000 / rateOf(viewport);
  viewport.playing.value = 0;
  const canvas = document.createElement("canvas");
  const show = async (index: number): Promise<void> => {
    viewport.scrollTo(index);
    while (viewport.stack.value && !viewport.pixels.value && !viewport.failure.value) await waitFor(20);
    await refresh();
    await refresh();
    const picture = compose(reading, [viewport]);
    // Sizes of H.264 are even.
    const [width, height] = [picture.width & ~1, picture.height & ~1];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d", { alpha: false })!.drawImage(picture, 0, 0);
  };
  await show(0);
  const stream = canvas.captureStream(0);
  const track = stream.getVideoTracks()[0] as CanvasCaptureMediaStreamTrack;
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: BITS });
  const pieces: Blob[] = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  const stopped = new Promise<void>((resolve, reject) => {
    recorder.onstop = () => resolve();
    recorder.onerror = (event) => reject((event as ErrorEvent).error ?? new Error(t("film.unsupported")));
  });
  recorder.start();
  try {
    let due = performance.now();
    for (let index = 0; index < count; index++) {
      recording.value = { done: index + 1, total: count };
      await show(index);
      track.requestFrame();
      due = Math.max(due + interval, performance.now());
      await waitFor(due - performance.now());
    }
    // An image lasts until the next one: the last comes twice. A frame is taken when it is next drawn.
    await show(count - 1);
    track.requestFrame();
    await waitFor(Math.max(interval, 100));
    recorder.stop();
    await stopped;
  } finally {
    recording.value = undefined;
    viewport.scrollTo(at);
  }
  return { blob: new Blob(pieces, { type: type.split(";")[0] }), ending: type.startsWith("video/mp4") ? "mp4" : "webm" };
}
