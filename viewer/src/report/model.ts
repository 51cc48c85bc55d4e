// Reports as the server tells of them (/api/v1/reports), and the calls that read and change them.

import { may } from "../access/session";
import { rest, withQuery, type Answer } from "../net/rest";

/** Whether the reader is shown what is being written; others are shown what was issued. */
export const seesUnissued = (): boolean => may("draft") || may("sign") || may("review") || may("manage-reports");

export const SECTIONS = ["history", "technique", "comparison", "findings", "impression", "recommendation"] as const;
/** The longest text of a section that the server takes. */
export const SECTION_CHARACTERS = 200_000;
export type SectionName = (typeof SECTIONS)[number];

export interface ImageReference {
  readonly study_uid: string;
  readonly series_uid: string;
  readonly instance_uid: string;
  readonly sop_class_uid: string;
  readonly frame_number: number; // from 1; 0 for the whole instance
  readonly note: string;
}

export interface MeasurementReference {
  readonly tracking_uid: string;
  readonly label: string;
  readonly kind: string;
  readonly value: number;
  readonly unit: string; // UCUM
  readonly image: ImageReference | null;
}

export type FieldValue = string | number | boolean | readonly string[];

export interface Content {
  readonly template: string;
  readonly language: string;
  readonly sections: Readonly<Partial<Record<SectionName, string>>>;
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly key_images: readonly ImageReference[];
  readonly measurements: readonly MeasurementReference[];
  readonly comparisons: readonly string[];
  readonly positive: boolean | null;
  readonly difficult: boolean;
  readonly overrides: Readonly<Record<string, string>>;
}

export interface Patient {
  readonly patient_id: string;
  readonly issuer: string;
  readonly name: string;
  readonly ideographic: string;
  readonly birth_date: string;
  readonly sex: string;
  readonly age: string;
  readonly visit: string;
}

export interface Exam {
  readonly exam_id: string;
  readonly accession: string;
  readonly issuer: string;
  readonly study_uids: readonly string[];
  readonly modality: string;
  readonly body_part: string;
  readonly description: string;
  readonly performed: string;
  readonly institution: string;
  readonly patient: Patient;
  readonly complete: boolean;
  readonly completed_at: string | null;
  readonly priority: "urgent" | "routine";
  readonly due_at: string | null;
  readonly overdue: boolean;
  readonly report: { readonly report_id: string; readonly status: string; readonly stage: string } | null;
}

export interface Who {
  readonly person_id: string;
  readonly name: string;
}

export interface WorklistItem extends Exam {
  readonly holder: Who | null;
}

export interface Signature {
  readonly role: string;
  readonly person_id: string;
  readonly name: string;
  readonly rank: number;
  readonly licence: string;
  readonly signed_at: string;
  readonly algorithm: string;
  readonly covered: string;
}

export interface Version {
  readonly version: number;
  readonly kind: string;
  readonly base_version: number;
  readonly reason: string;
  readonly issued_at: string;
  readonly content_hash: string;
  readonly signatures: readonly Signature[];
  readonly exceptions: readonly string[];
  readonly sr_uid: string;
  readonly pdf_uid: string;
  readonly archived: boolean;
  readonly verification_code: string;
}

export interface Report {
  readonly report_id: string;
  readonly status: string;
  readonly stage: string;
  readonly cycle: "original" | "correction" | "addendum" | null;
  readonly rev: number;
  readonly etag: string;
  readonly content_hash: string;
  readonly holder: (Who & { readonly until: string }) | null;
  readonly author: Who | null;
  readonly exams: readonly Exam[];
  readonly difficult: boolean;
  readonly returned: { readonly reason: string; readonly by: Who | null; readonly at: string } | null;
  /** When the last image came that is not in the text: it was begun, signed or issued before. */
  readonly late_images: string | null;
  readonly current_version: number;
  readonly versions: readonly Version[];
  readonly allowed: readonly string[];
  readonly why_not: Readonly<Record<string, string>>;
}

export interface Finding {
  readonly rule: string;
  readonly version: number;
  readonly severity: "block" | "warn";
  readonly section: SectionName | "";
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly overridden: boolean;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly type: "text" | "number" | "choice" | "choices" | "date" | "time" | "flag";
  readonly section: SectionName;
  readonly choices: readonly string[];
  readonly unit: string;
  readonly default: FieldValue | null;
  readonly required: boolean;
}

export interface Template {
  readonly template_id: string;
  readonly version: number;
  readonly status: "DRAFT" | "ACTIVE" | "RETIRED";
  readonly language: string;
  readonly title: string;
  readonly modality: string;
  readonly body_part: string;
  readonly procedure: string;
  readonly sections: Readonly<Partial<Record<SectionName, string>>>;
  readonly fields: readonly Field[];
}

export interface Phrase {
  readonly phrase_id: string;
  readonly version: number;
  readonly language: string;
  readonly shortcut: string;
  readonly title: string;
  readonly section: SectionName | "";
  readonly text: string;
  readonly modality: string;
  readonly body_part: string;
}

export type Change = readonly ["=" | "-" | "+", string];

export interface Difference {
  readonly sections: Readonly<Partial<Record<SectionName, readonly Change[]>>>;
  readonly fields: Readonly<Record<string, readonly [unknown, unknown]>>;
}

export interface Revision {
  readonly branch: string;
  readonly rev: number;
  readonly action: string;
  readonly stage: string;
  readonly author: Who | null;
  readonly at: string;
  readonly base_rev: number;
  readonly content_hash: string;
  readonly reason: string;
}

export interface AmendmentRequest {
  readonly request_id: string;
  readonly class: string;
  readonly text: string;
  readonly requester: string;
  readonly requested_by: string | null;
  readonly requested_at: string;
  readonly decision: string | null;
  readonly decided_by: string | null;
  readonly reason: string | null;
  readonly used: boolean;
}

export const examsOf = async (study: string): Promise<readonly Exam[]> =>
  (await rest<{ exams: Exam[] }>("GET", withQuery("/exams", { study }))).value.exams;

export const begin = async (exams: readonly string[]): Promise<Report> =>
  (await rest<Report>("POST", "/reports", { body: { exams } })).value;

export const load = async (id: string): Promise<Report> => (await rest<Report>("GET", `/reports/${id}`)).value;

export const working = (id: string): Promise<Answer<Content>> => rest<Content>("GET", `/reports/${id}/working`);

export interface Saved {
  readonly rev: number;
  readonly etag: string;
  readonly content_hash: string;
}

export const save = async (id: string, content: Content, etag: string): Promise<Saved> =>
  (await rest<Saved>("PUT", `/reports/${id}/working`, { body: content, ifMatch: etag })).value;

export interface ActionBody {
  readonly reason?: string;
  readonly content_hash?: string;
  readonly text?: string;
  readonly difficult?: boolean;
  readonly request_id?: string;
  readonly images_seen?: string;
}

export const act = async (report: Report, action: string, body: ActionBody = {}): Promise<Report> =>
  (await rest<Report>("POST", `/reports/${report.report_id}/actions/${action}`, { body, ifMatch: report.etag, key: crypto.randomUUID() })).value;

export const requestsOf = async (id: string): Promise<readonly AmendmentRequest[]> =>
  (await rest<{ requests: AmendmentRequest[] }>("GET", `/reports/${id}/amendment-requests`)).value.requests;

export const check = async (id: string): Promise<readonly Finding[]> =>
  (await rest<{ findings: Finding[] }>("POST", `/reports/${id}/checks`, { body: {} })).value.findings;

export const version = async (id: string, number: number): Promise<Version & { content: Content; patient: Patient }> =>
  (await rest<Version & { content: Content; patient: Patient }>("GET", `/reports/${id}/versions/${number}`)).value;

/** Reports about a study, the newest first. */
export const reportsOf = async (study: string): Promise<readonly Report[]> =>
  (await rest<{ items: Report[] }>("GET", withQuery("/reports", { study }))).value.items;

export const EMPTY: Content = {
  template: "",
  language: "zh-CN",
  sections: {},
  fields: {},
  key_images: [],
  measurements: [],
  comparisons: [],
  positive: null,
  difficult: false,
  overrides: {},
};
