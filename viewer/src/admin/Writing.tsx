// Templates and phrases: what reports are begun from.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { apiUrl, rest } from "../net/rest";
import { SECTIONS, type Phrase, type Template } from "../report/model";
import { rt } from "../report/texts";
import { FormDialog } from "../ui/dialogs";
import { attempt, Input, Table, textOf, useListed } from "./parts";
import { dt, isAdminKey } from "./texts";

const STATUSES = ["DRAFT", "ACTIVE", "RETIRED"] as const;

const NEW_TEMPLATE: Omit<Template, "template_id" | "version"> = {
  status: "DRAFT",
  language: "zh-CN",
  title: "",
  modality: "",
  body_part: "",
  procedure: "",
  sections: {},
  fields: [],
};

function LanguageChoice({ value }: { value: string }): JSX.Element {
  return (
    <label class="field">
      {dt("template.language")}
      <select name="language" defaultValue={value}>
        <option value="zh-CN">中文</option>
        <option value="en">English</option>
      </select>
    </label>
  );
}

export function Templates(): JSX.Element {
  const templates = useListed<Template>("/templates", "templates");
  const editing = useSignal<Template | typeof NEW_TEMPLATE | undefined>(undefined);
  const bring = (file: File): Promise<boolean> =>
    attempt(async () => {
      const response = await fetch(`${apiUrl("/templates")}?format=mrrt`, { method: "POST", headers: { "Content-Type": "text/html" }, body: file });
      if (!response.ok) throw new Error(((await response.json().catch(() => ({}))) as { detail?: string }).detail ?? `HTTP ${response.status}`);
      await templates.load();
    });
  const send = (given: FormData): Promise<boolean> =>
    attempt(async () => {
      const shown = editing.value!;
      const body = {
        ...NEW_TEMPLATE,
        fields: shown.fields,
        status: textOf(given, "status"),
        language: textOf(given, "language"),
        title: textOf(given, "title"),
        modality: textOf(given, "modality"),
        body_part: textOf(given, "body_part"),
        procedure: textOf(given, "procedure"),
        sections: Object.fromEntries(SECTIONS.map((name) => [name, String(given.get(name) ?? "")]).filter(([, text]) => text)),
      };
      await ("template_id" in shown ? rest("PUT", `/templates/${shown.template_id}`, { body }) : rest("POST", "/templates", { body }));
      await templates.load();
    });
  const shown = editing.value;
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (editing.value = NEW_TEMPLATE)}>
          {dt("add")}
        </button>
        <label class="button">
          {dt("template.import")}
          <input
            class="hidden"
            type="file"
            accept="text/html,.html,.htm"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              event.currentTarget.value = "";
              if (file) void bring(file);
            }}
          />
        </label>
      </p>
      <Table
        listed={templates}
        columns={[dt("template.title"), dt("template.binding"), dt("template.language"), dt("template.version"), dt("template.status"), ""]}
        row={(template) => {
          const status = `status.${template.status}`;
          return (
            <tr key={template.template_id}>
              <td>
                <b>{template.title}</b>
              </td>
              <td>
                {template.modality || "—"} / {template.body_part || "—"}
              </td>
              <td>{template.language}</td>
              <td>{template.version}</td>
              <td>{isAdminKey(status) ? dt(status) : template.status}</td>
              <td class="row-actions">
                <button type="button" class="link" onClick={() => (editing.value = template)}>
                  {dt("change")}
                </button>
              </td>
            </tr>
          );
        }}
      />
      {shown && (
        <FormDialog title={shown.title || dt("add")} close={() => (editing.value = undefined)} action={dt("save")} submit={send}>
          <Input name="title" label={dt("template.title")} value={shown.title} required />
          <div class="pair">
            <Input name="modality" label={dt("template.modality")} value={shown.modality} maxLength={16} />
            <Input name="body_part" label={dt("template.bodyPart")} value={shown.body_part} maxLength={64} />
            <Input name="procedure" label={dt("template.procedure")} value={shown.procedure} maxLength={64} />
          </div>
          <div class="pair">
            <LanguageChoice value={shown.language} />
            <label class="field">
              {dt("template.status")}
              <select name="status" defaultValue={shown.status}>
                {STATUSES.map((status) => (
                  <option key={status} value={status}>
                    {dt(`status.${status}`)}
                  </option>
                ))}
              </select>
            </label>
          </div>
          {SECTIONS.map((name) => (
            <label key={name} class="field">
              {rt(`section.${name}`)}
              <textarea name={name} rows={name === "findings" ? 5 : 2} maxLength={20000} defaultValue={shown.sections[name] ?? ""} />
            </label>
          ))}
        </FormDialog>
      )}
    </>
  );
}

export function Phrases(): JSX.Element {
  const phrases = useListed<Phrase>("/phrases", "phrases");
  const editing = useSignal<Phrase | "new" | undefined>(undefined);
  const shown = editing.value === "new" ? undefined : editing.value;
  const send = (given: FormData): Promise<boolean> =>
    attempt(async () => {
      const body = Object.fromEntries(
        ["title", "shortcut", "text", "section", "language", "modality", "body_part"].map((name) => [name, textOf(given, name)]),
      );
      await (shown ? rest("PUT", `/phrases/${shown.phrase_id}`, { body }) : rest("POST", "/phrases", { body }));
      await phrases.load();
    });
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (editing.value = "new")}>
          {dt("add")}
        </button>
      </p>
      <Table
        listed={phrases}
        columns={[dt("phrase.shortcut"), dt("phrase.title"), dt("phrase.section"), dt("phrase.text"), dt("template.binding"), ""]}
        row={(phrase) => (
          <tr key={phrase.phrase_id}>
            <td>{phrase.shortcut || "—"}</td>
            <td>
              <b>{phrase.title}</b>
            </td>
            <td>{phrase.section ? rt(`section.${phrase.section}`) : dt("phrase.anySection")}</td>
            <td class="long">{phrase.text}</td>
            <td>
              {phrase.modality || "—"} / {phrase.body_part || "—"}
            </td>
            <td class="row-actions">
              <button type="button" class="link" onClick={() => (editing.value = phrase)}>
                {dt("change")}
              </button>
              <button
                type="button"
                class="link"
                onClick={() =>
                  void attempt(async () => {
                    await rest("DELETE", `/phrases/${phrase.phrase_id}`);
                    await phrases.load();
                  })
                }
              >
                {dt("phrase.remove")}
              </button>
            </td>
          </tr>
        )}
      />
      {editing.value && (
        <FormDialog title={shown?.title ?? dt("add")} close={() => (editing.value = undefined)} action={dt("save")} submit={send}>
          <div class="pair">
            <Input name="title" label={dt("phrase.title")} value={shown?.title} required />
            <Input name="shortcut" label={dt("phrase.shortcut")} value={shown?.shortcut} maxLength={16} />
          </div>
          <label class="field">
            {dt("phrase.section")}
            <select name="section" defaultValue={shown?.section ?? ""}>
              <option value="">{dt("phrase.anySection")}</option>
              {SECTIONS.map((name) => (
                <option key={name} value={name}>
                  {rt(`section.${name}`)}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            {dt("phrase.text")}
            <textarea name="text" rows={4} maxLength={4000} required defaultValue={shown?.text ?? ""} />
          </label>
          <div class="pair">
            <LanguageChoice value={shown?.language ?? "zh-CN"} />
            <Input name="modality" label={dt("template.modality")} value={shown?.modality} maxLength={16} />
            <Input name="body_part" label={dt("template.bodyPart")} value={shown?.body_part} maxLength={64} />
          </div>
        </FormDialog>
      )}
    </>
  );
}
