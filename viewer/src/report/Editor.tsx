// The sections of a report as they are written: texts, structured fields, template and phrases, key
// images and measurements with a way back to the picture. What an input method has not committed yet
// is not text and is not saved.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { formatNumber, language } from "../i18n";
import { rest, withQuery } from "../net/rest";
import { IconButton, Menu, MenuItem } from "../ui/controls";
import type { Desk } from "./desk";
import { fieldsOf, inserted, measurementText, unitsAt, withTemplate } from "./insertion";
import { SECTION_CHARACTERS, SECTIONS, type Content, type Field, type FieldValue, type ImageReference, type MeasurementReference, type Phrase, type SectionName, type Template } from "./model";
import { rt } from "./texts";

/** What the reading page gives the report: its pictures and measurements, and the way to them. */
export interface Pictures {
  readonly keyImages: () => readonly ImageReference[];
  readonly current: () => ImageReference | undefined;
  readonly measurements: () => readonly MeasurementReference[];
  readonly show: (image: ImageReference) => void;
}

export function Editor({ desk, pictures }: { desk: Desk; pictures: Pictures }): JSX.Element {
  const draft = desk.draft.value!;
  const content = draft.content.value;
  const exam = desk.exams.value?.[0];
  const templates = useSignal<readonly Template[]>([]);
  const phrases = useSignal<readonly Phrase[]>([]);
  const last = useRef<{ section: SectionName; at: number }>({ section: "findings", at: -1 });
  useEffect(() => {
    const about = { modality: exam?.modality, body_part: exam?.body_part, language: language.value === "zh" ? "zh-CN" : "en" };
    // Without them a report is written all the same.
    void rest<{ templates: Template[] }>("GET", withQuery("/templates", { ...about, status: "ACTIVE" }))
      .then(({ value }) => (templates.value = value.templates), () => undefined);
    void rest<{ phrases: Phrase[] }>("GET", withQuery("/phrases", about))
      .then(({ value }) => (phrases.value = value.phrases), () => undefined);
  }, [exam?.modality, exam?.body_part, language.value]);

  const template = templates.value.find((one) => content.template === `${one.template_id}@${one.version}`);
  const insert = (text: string, into?: SectionName | ""): void => {
    const section = into || last.current.section;
    const before = content.sections[section] ?? "";
    const at = section === last.current.section && last.current.at >= 0 ? last.current.at : before.length;
    const put = inserted(before, at, text);
    last.current = { section, at: put.caret };
    desk.change({ sections: { ...content.sections, [section]: put.text } });
  };
  return (
    <div class="report-editor">
      <div class="report-tools">
        <label class="field">
          {rt("template")}
          <select
            value={template ? content.template : ""}
            title={rt("templateReplace")}
            onChange={(event) => {
              const chosen = templates.value.find((one) => `${one.template_id}@${one.version}` === event.currentTarget.value);
              if (chosen) desk.change(withTemplate(content, chosen));
            }}
          >
            <option value="">{rt("noTemplate")}</option>
            {templates.value.map((one) => (
              <option key={one.template_id} value={`${one.template_id}@${one.version}`}>
                {one.title}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {rt("positive")}
          <select
            value={content.positive === null ? "" : String(content.positive)}
            onChange={(event) => desk.change({ positive: event.currentTarget.value === "" ? null : event.currentTarget.value === "true" })}
          >
            <option value="">{rt("positiveUnset")}</option>
            <option value="true">{rt("positiveYes")}</option>
            <option value="false">{rt("positiveNo")}</option>
          </select>
        </label>
        <PhraseMenu phrases={phrases.value} insert={insert} />
      </div>
      {SECTIONS.map((section) => (
        <Section key={section} name={section} desk={desk} content={content} template={template} caret={(at) => (last.current = { section, at })} />
      ))}
      <KeyImages content={content} desk={desk} pictures={pictures} />
      <Measurements content={content} desk={desk} pictures={pictures} insert={insert} />
    </div>
  );
}

function PhraseMenu({ phrases, insert }: { phrases: readonly Phrase[]; insert: (text: string, into: SectionName | "") => void }): JSX.Element {
  return (
    <Menu label={rt("phrases")} text={rt("phrases")}>
      {(close) =>
        phrases.length === 0 ? (
          <p class="menu-note">{rt("phraseNone")}</p>
        ) : (
          phrases.map((phrase) => (
            <MenuItem
              key={phrase.phrase_id}
              label={phrase.title || phrase.text.slice(0, 30)}
              hint={phrase.shortcut}
              onClick={() => {
                close();
                insert(phrase.text, phrase.section);
              }}
            />
          ))
        )
      }
    </Menu>
  );
}

interface SectionProps {
  name: SectionName;
  desk: Desk;
  content: Content;
  template: Template | undefined;
  caret: (at: number) => void;
}

function Section({ name, desk, content, template, caret }: SectionProps): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const composing = useRef(false);
  const text = content.sections[name] ?? "";
  const found = desk.findings.value.filter((finding) => finding.section === name && !finding.overridden);
  useLayoutEffect(() => {
    const box = area.current!;
    // Never while a text is being composed: the input method would lose its place.
    if (!composing.current && box.value !== text) box.value = text;
    box.style.setProperty("height", "auto");
    box.style.setProperty("height", `${box.scrollHeight + 2}px`);
  }, [text]);
  const write = (): void => {
    const written = area.current!.value;
    if (written !== text) desk.change({ sections: { ...content.sections, [name]: written } });
    caret(area.current!.selectionStart);
  };
  const id = `report-${name}`;
  return (
    <section class="report-section">
      <label for={id}>{rt(`section.${name}`)}</label>
      <textarea
        id={id}
        ref={area}
        rows={name === "findings" ? 5 : 2}
        maxLength={SECTION_CHARACTERS}
        aria-invalid={found.some((finding) => finding.severity === "block")}
        onCompositionStart={() => {
          composing.current = true;
        }}
        onCompositionEnd={() => {
          composing.current = false;
          write();
        }}
        onInput={(event) => {
          if (!composing.current && !event.isComposing) write();
        }}
        onBlur={() => caret(area.current!.selectionStart)}
      />
      {text.length >= SECTION_CHARACTERS && <p class="error-text" role="alert">{rt("sectionFull", { most: formatNumber(SECTION_CHARACTERS, 0) })}</p>}
      {fieldsOf(template, name).map((field) => (
        <FieldInput key={field.name} field={field} value={content.fields[field.name]} change={(value) => desk.change({ fields: withField(content, field.name, value) })} />
      ))}
      {found.map((finding) => (
        <button
          key={`${finding.rule}${finding.start}`}
          type="button"
          class={`finding ${finding.severity}`}
          onClick={() => {
            area.current!.focus();
            // What was typed since it was checked may have moved it, but cuts no character in two.
            area.current!.setSelectionRange(unitsAt(area.current!.value, finding.start), unitsAt(area.current!.value, finding.end));
          }}
        >
          {finding.text}
        </button>
      ))}
    </section>
  );
}

function withField(content: Content, name: string, value: FieldValue | undefined): Content["fields"] {
  const fields = { ...content.fields };
  if (value === undefined) delete fields[name];
  else fields[name] = value;
  return fields;
}

function FieldInput({ field, value, change }: { field: Field; value: FieldValue | undefined; change: (value: FieldValue | undefined) => void }): JSX.Element {
  const label = `${field.label}${field.required ? " *" : ""}`;
  if (field.type === "flag")
    return (
      <label class="report-field">
        <span>{label}</span>
        <input type="checkbox" checked={value === true} onChange={(event) => change(event.currentTarget.checked)} />
      </label>
    );
  if (field.type === "choice")
    return (
      <label class="report-field">
        <span>{label}</span>
        <select value={typeof value === "string" ? value : ""} onChange={(event) => change(event.currentTarget.value || undefined)}>
          <option value="" />
          {field.choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      </label>
    );
  if (field.type === "choices") {
    const chosen = Array.isArray(value) ? (value as readonly string[]) : [];
    return (
      <fieldset class="report-field">
        <legend>{label}</legend>
        {field.choices.map((choice) => (
          <label key={choice}>
            <input
              type="checkbox"
              checked={chosen.includes(choice)}
              onChange={(event) => change(event.currentTarget.checked ? [...chosen, choice] : chosen.filter((one) => one !== choice))}
            />
            {choice}
          </label>
        ))}
      </fieldset>
    );
  }
  const written = (event: { currentTarget: HTMLInputElement }): void => {
    const text = event.currentTarget.value;
    change(text === "" ? undefined : field.type === "number" ? Number(text) : text);
  };
  const common = { value: value === undefined ? "" : String(value), onChange: written };
  return (
    <label class="report-field">
      <span>{label}</span>
      {field.type === "number" ? (
        <input type="number" step="any" {...common} />
      ) : field.type === "text" ? (
        <input type="text" maxLength={400} {...common} />
      ) : (
        <input type={field.type} {...common} />
      )}
      {field.unit && <small>{field.unit}</small>}
    </label>
  );
}

const sameImage = (a: ImageReference, b: ImageReference): boolean => a.instance_uid === b.instance_uid && a.frame_number === b.frame_number;

function KeyImages({ content, desk, pictures }: { content: Content; desk: Desk; pictures: Pictures }): JSX.Element {
  const add = (images: readonly ImageReference[]): void => {
    const fresh = images.filter((image) => !content.key_images.some((known) => sameImage(known, image)));
    if (fresh.length > 0) desk.change({ key_images: [...content.key_images, ...fresh] });
  };
  return (
    <section class="report-section">
      <h3>{rt("keyImages")}</h3>
      <ul class="report-images">
        {content.key_images.map((image, index) => (
          <li key={`${image.instance_uid}/${image.frame_number}`}>
            <button type="button" class="link" onClick={() => pictures.show(image)}>
              {index + 1}
            </button>
            <input
              type="text"
              aria-label={`${rt("note")} ${index + 1}`}
              placeholder={rt("note")}
              maxLength={200}
              value={image.note}
              onChange={(event) =>
                desk.change({ key_images: content.key_images.map((one) => (one === image ? { ...one, note: event.currentTarget.value } : one)) })
              }
            />
            <IconButton icon="close" label={`${rt("remove")} ${index + 1}`} onClick={() => desk.change({ key_images: content.key_images.filter((one) => one !== image) })} />
          </li>
        ))}
      </ul>
      <button
        type="button"
        class="button"
        onClick={() => {
          const current = pictures.current();
          add([...pictures.keyImages(), ...(current ? [current] : [])]);
        }}
      >
        {rt("addKeyImage")}
      </button>
    </section>
  );
}

interface MeasurementsProps {
  content: Content;
  desk: Desk;
  pictures: Pictures;
  insert: (text: string) => void;
}

function Measurements({ content, desk, pictures, insert }: MeasurementsProps): JSX.Element {
  const add = (): void => {
    const taken = pictures.measurements();
    if (taken.length === 0) return desk.say(rt("noMeasurements"));
    const kept = content.measurements.filter((known) => !taken.some((one) => one.tracking_uid === known.tracking_uid));
    desk.change({ measurements: [...kept, ...taken] });
  };
  return (
    <section class="report-section">
      <h3>{rt("measurements")}</h3>
      <ul class="report-images">
        {content.measurements.map((one) => (
          <li key={`${one.tracking_uid}/${one.kind}`}>
            <button type="button" class="link grow" onClick={() => one.image && pictures.show(one.image)}>
              {measurementText(one)}
            </button>
            <IconButton icon="text" label={`${rt("addMeasurements")}: ${measurementText(one)}`} onClick={() => insert(measurementText(one))} />
            <IconButton icon="close" label={`${rt("remove")}: ${measurementText(one)}`} onClick={() => desk.change({ measurements: content.measurements.filter((other) => other !== one) })} />
          </li>
        ))}
      </ul>
      <button type="button" class="button" onClick={add}>
        {rt("addMeasurements")}
      </button>
    </section>
  );
}
