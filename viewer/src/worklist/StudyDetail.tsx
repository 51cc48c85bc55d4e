// A study unfolded in the list: its series, the patient's other studies, and what can be done with it.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { number, text, texts, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, t } from "../i18n";
import { root, studyPath } from "../net/address";
import { search } from "../net/dicomweb";
import { studiesOfPatient } from "../net/priors";
import { may } from "../access/session";
import { Doubts } from "../ui/Doubts";
import { Icon } from "../ui/icons";
import { reasonOf, say } from "../ui/notices";
import { address, uidOf } from "./state";
import { correcting, deleting } from "./StudyDialogs";
import { Thumbnail } from "./Thumbnail";

export function StudyDetail({ row }: { row: Dataset }): JSX.Element {
  const uid = uidOf(row);
  const series = useRef(signal<readonly Dataset[] | undefined>(undefined)).current;
  const priors = useRef(signal<readonly Dataset[]>([])).current;
  useEffect(() => {
    search(`${studyPath(uid)}/series`, [["includefield", Tag.SeriesDescription], ["includefield", Tag.SeriesNumber]])
      .then((found) => (series.value = [...found.rows].sort((a, b) => (number(a, Tag.SeriesNumber) ?? 0) - (number(b, Tag.SeriesNumber) ?? 0))))
      .catch((error: unknown) => say("error", t("common.error", { reason: reasonOf(error) })));
    studiesOfPatient(row, 20)
      .then((found) => (priors.value = found.rows.filter((other) => uidOf(other) !== uid)))
      .catch(() => undefined);
  }, [uid]);
  return (
    <div class="study-detail">
      <div class="study-actions">
        <a class="button primary" href={address(uid)}>
          {t("worklist.open")}
        </a>
        {may("export") && (
          <a class="button" href={`${root()}${studyPath(uid)}?accept=application/zip`} download>
            <Icon name="download" size={16} /> {t("study.download")}
          </a>
        )}
        {may("edit") && (
          <button type="button" class="button" onClick={() => (correcting.value = row)}>
            <Icon name="edit" size={16} /> {t("study.correct")}
          </button>
        )}
        {may("delete") && (
          <button type="button" class="button" onClick={() => (deleting.value = row)}>
            <Icon name="trash" size={16} /> {t("study.delete")}
          </button>
        )}
      </div>
      <div class="series">
        {series.value === undefined ? <span class="spinner small" role="status" aria-label={t("state.loading")} /> : series.value.map((s) => <SeriesCard key={text(s, Tag.SeriesInstanceUID)} study={uid} series={s} />)}
      </div>
      {priors.value.length > 0 && (
        <div class="priors">
          <h2>{t("study.priors")}</h2>
          <ul>
            {priors.value.map((prior) => (
              <li key={uidOf(prior)}>
                <a href={address(uid, uidOf(prior))} title={t("worklist.compareWith")}>
                  <Icon name="compare" size={16} />
                  <time>{formatDate(text(prior, Tag.StudyDate)) || "—"}</time>
                  <b>{texts(prior, Tag.ModalitiesInStudy).join(" ")}</b>
                  <span>{text(prior, Tag.StudyDescription) ?? ""}</span>
                  <Doubts study={prior} own={row} />
                </a>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function SeriesCard({ study, series }: { study: string; series: Dataset }): JSX.Element {
  const uid = text(series, Tag.SeriesInstanceUID) ?? "";
  return (
    <a class="series-card" href={`${address(study)}&series=${uid}`}>
      <Thumbnail path={`${studyPath(study)}/series/${uid}`} modality={text(series, Tag.Modality) ?? ""} size={112} />
      <span class="series-text">
        <b>{text(series, Tag.Modality)}</b> {text(series, Tag.SeriesDescription) ?? ""} <small>{number(series, Tag.NumberOfSeriesRelatedInstances)}</small>
      </span>
    </a>
  );
}
