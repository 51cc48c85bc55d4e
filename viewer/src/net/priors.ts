// The other studies of a study's patient: found by Patient ID, kept when it is the same person's ID.

import { text, type Dataset } from "../dicom/json";
import { samePerson } from "../dicom/patient";
import { Tag } from "../dicom/tags";
import { search } from "./dicomweb";

/** The studies of the patient of `study`, itself among them. `more`: there may be others beyond `limit`. */
export async function studiesOfPatient(study: Dataset, limit: number): Promise<{ rows: Dataset[]; more: boolean }> {
  const patient = text(study, Tag.PatientID);
  if (!patient) return { rows: [], more: false };
  const { rows, next } = await search("/studies", [
    ["PatientID", patient],
    ["includefield", Tag.StudyDescription],
    ["includefield", Tag.IssuerOfPatientID],
    ["limit", String(limit)],
  ]);
  return { rows: rows.filter((row) => samePerson(row, study)), more: next !== undefined };
}
