// A video as the browser plays it, from the server's rendered stream, which it asks for by ranges.
// MPEG-2 is what no browser plays, HEVC what not every one does: the file can be had.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Document } from "../dicom/stacks";
import { videoCodec, type VideoCodec } from "../dicom/video";
import { t } from "../i18n";
import { instancePath, root } from "../net/address";

const ENDINGS: Readonly<Record<VideoCodec, string>> = { "MPEG-2": "mpg", "H.264": "mp4", HEVC: "mp4" };

export function VideoView({ document }: { document: Document }): JSX.Element {
  const codec = videoCodec(document.dataset);
  const [failed, setFailed] = useState(codec === "MPEG-2");
  const url = `${root()}${instancePath(document.study, document.series, document.instance)}/rendered`;
  if (failed) {
    const name = `${document.description || "video"}.${ENDINGS[codec]}`.replace(/[^\p{L}\p{N}._-]+/gu, "_");
    return (
      <div class="pane-state error" role="alert">
        <strong>{t("video.unplayable", { codec })}</strong>
        <span>{t("video.elsewhere")}</span>
        <a class="button" href={url} download={name}>
          {t("video.download")}
        </a>
      </div>
    );
  }
  return <video class="document video" src={url} controls loop playsInline preload="auto" aria-label={document.description || t("video.title")} onError={() => setFailed(true)} />;
}
