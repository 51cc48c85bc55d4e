// Reports about earlier studies of the patient, beside the one being written.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { text, texts, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate } from "../i18n";
import { Doubts } from "../ui/Doubts";
import type { Desk } from "./desk";
import { reportsOf, version, type Content, type Version } from "./model";
import { ShownContent, Signatures } from "./Shown";
import { rt } from "./texts";

interface Prior {
  readonly study: string;
  readonly row: Dataset;
  readonly report: string;
  readonly issued: Version & { content: Content };
}

export function Priors({ desk, studies, own }: { desk: Desk; studies: readonly Dataset[]; own: Dataset | undefined }): JSX.Element {
  const priors = useSignal<readonly Prior[] | undefined>(undefined);
  useEffect(() => {
    void Promise.all(studies.slice(0, 20).map(priorsOf)).then((found) => (priors.value = found.flat()));
  }, [studies]);
  if (priors.value === undefined) return <p class="quiet">{rt("loading")}</p>;
  if (priors.value.length === 0) return <p class="quiet">{rt("priorsNone")}</p>;
  const compared = desk.draft.value?.content.value.comparisons ?? [];
  return (
    <div class="report-history">
      {priors.value.map((prior, index) => (
        <details key={prior.report} class="issued" open={index === 0}>
          <summary>
            {formatDate(text(prior.row, Tag.StudyDate))} {texts(prior.row, Tag.ModalitiesInStudy).join(" ")} {text(prior.row, Tag.StudyDescription) ?? ""}
            <Doubts study={prior.row} own={own} />
          </summary>
          <ShownContent content={prior.issued.content} />
          <Signatures signatures={prior.issued.signatures} />
          {desk.writing.value && (
            <button
              type="button"
              class="button"
              disabled={compared.includes(prior.study)}
              onClick={() => desk.change({ comparisons: [...compared, prior.study] })}
            >
              {compared.includes(prior.study) ? rt("compared") : rt("compareWith")}
            </button>
          )}
        </details>
      ))}
    </div>
  );
}

async function priorsOf(row: Dataset): Promise<Prior[]> {
  const study = text(row, Tag.StudyInstanceUID) ?? "";
  try {
    const found: Prior[] = [];
    for (const report of await reportsOf(study))
      if (report.current_version > 0 && report.status !== "entered-in-error")
        found.push({ study, row, report: report.report_id, issued: await version(report.report_id, report.current_version) });
    return found;
  } catch {
    return [];
  }
}
