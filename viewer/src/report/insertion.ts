// Text put in at the caret of a section, and which measurement is worth which words.

import { valueText } from "../reading/format";
import type { Content, Field, MeasurementReference, SectionName, Template } from "./model";
import { SECTIONS } from "./model";
import { unitShown } from "./units";

/** `text` put in at `at`, on a line of its own where it would run into another. */
export function inserted(before: string, at: number, text: string): { text: string; caret: number } {
  const head = before.slice(0, at);
  const tail = before.slice(at);
  const glue = head && !/[\s（(]$/.test(head) && /[。.；;]$/.test(head) ? "\n" : "";
  return { text: head + glue + text + tail, caret: head.length + glue.length + text.length };
}

export const measurementText = (m: MeasurementReference): string =>
  `${m.label} ${valueText({ value: m.value, unit: unitShown(m.unit) })}`;

/** The content with what a template brings: sections that are empty, fields that are not there yet. */
export function withTemplate(content: Content, template: Template): Content {
  const sections: Partial<Record<SectionName, string>> = { ...content.sections };
  for (const name of SECTIONS) {
    const text = template.sections[name];
    if (text && !sections[name]?.trim()) sections[name] = text;
  }
  const fields = { ...content.fields };
  for (const field of template.fields) if (field.default !== null && fields[field.name] === undefined) fields[field.name] = field.default;
  return { ...content, template: `${template.template_id}@${template.version}`, language: template.language, sections, fields };
}

/** The fields that the content has or its template offers, by section. */
export const fieldsOf = (template: Template | undefined, section: SectionName): readonly Field[] =>
  template?.fields.filter((field) => field.section === section) ?? [];

/** A place that the server counts in characters, in the UTF-16 units that the browser counts in. */
export const unitsAt = (text: string, characters: number): number => [...text].slice(0, characters).join("").length;
