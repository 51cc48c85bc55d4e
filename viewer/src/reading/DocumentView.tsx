// Objects that are not pictures: structured reports as text, PDF, video.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { inlineBytes, text } from "../dicom/json";
import { reportOf, type Node } from "../dicom/sr";
import { Tag } from "../dicom/tags";
import { isVideo } from "../dicom/video";
import type { Document } from "../dicom/stacks";
import { t } from "../i18n";
import { bulk } from "../net/dicomweb";
import { reasonOf } from "../ui/notices";
import { EcgView } from "./EcgView";
import { VideoView } from "./VideoView";

const PDF = "1.2.840.10008.5.1.4.1.1.104.1";

export function DocumentView({ document }: { document: Document }): JSX.Element {
  if (isVideo(document.dataset)) return <VideoView document={document} />;
  if (document.dataset[Tag.ContentSequence]) return <Report document={document} />;
  if (document.dataset[Tag.WaveformSequence]) return <EcgView document={document} />;
  if (document.sopClass === PDF) return <Pdf document={document} />;
  return (
    <div class="document">
      <h2>{document.description || document.modality}</h2>
      <p>{t("document.unsupported", { type: document.sopClass })}</p>
    </div>
  );
}

function Report({ document }: { document: Document }): JSX.Element {
  const report = reportOf(document.dataset);
  return (
    <article class="document" tabIndex={0}>
      <h2>{report.name || document.description}</h2>
      <ReportNodes nodes={report.children} />
    </article>
  );
}

function ReportNodes({ nodes }: { nodes: readonly Node[] }): JSX.Element {
  return (
    <ul>
      {nodes.map((node, i) => (
        <li key={i}>
          {node.name && <b>{node.name}</b>} {node.value}
          {node.children.length > 0 && <ReportNodes nodes={node.children} />}
        </li>
      ))}
    </ul>
  );
}

function Pdf({ document }: { document: Document }): JSX.Element {
  const [url, setUrl] = useState<string>();
  const [failed, setFailed] = useState<string>();
  useEffect(() => {
    let made: string | undefined;
    const element = document.dataset[Tag.EncapsulatedDocument];
    const load = async (): Promise<void> => {
      const bytes = inlineBytes(element) ?? (element?.BulkDataURI && (await bulk(element.BulkDataURI, "application/pdf")));
      if (!bytes) throw new Error(t("document.empty"));
      const type = text(document.dataset, Tag.MIMETypeOfEncapsulatedDocument) ?? "application/pdf";
      made = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
      setUrl(made);
    };
    load().catch((error: unknown) => setFailed(reasonOf(error)));
    return () => made && URL.revokeObjectURL(made);
  }, [document]);
  if (failed) return <div class="pane-state error">{failed}</div>;
  if (!url) return <div class="pane-state"><span class="spinner" /></div>;
  return <iframe class="document pdf" src={url} title={document.description || "PDF"} />;
}
