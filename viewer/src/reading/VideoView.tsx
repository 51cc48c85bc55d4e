// A video as the browser plays it, from the server's rendered stream, which it asks for by ranges.
// MPEG-2 is what browsers do not play: it can be had as a file.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { text } from "../dicom/json";
import type { Document } from "../dicom/stacks";
import { Tag } from "../dicom/tags";
import { t } from "../i18n";
import { instancePath, root } from "../net/dicomweb";

export function VideoView({ document }: { document: Document }): JSX.Element {
  const [failed, setFailed] = useState(false);
  const url = `${root()}${instancePath(document.study, document.series, document.instance)}/rendered`;
  if (failed)
    return (
      <div class="pane-state error" role="alert">
        <strong>{t("video.unplayable")}</strong>
        <span>{text(document.dataset, Tag.AvailableTransferSyntaxUID)}</span>
        <a class="button" href={url} download>
          {t("video.download")}
        </a>
      </div>
    );
  return <video class="document video" src={url} controls loop playsInline preload="auto" aria-label={document.description || t("video.title")} onError={() => setFailed(true)} />;
}
