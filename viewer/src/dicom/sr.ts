// The content tree of a structured report (PS3.3 §C.17.3) as names and values to read.

import { formatDate, formatTime } from "../i18n";
import { item, items, number, text, type Dataset } from "./json";
import { Tag } from "./tags";

export interface Node {
  readonly name: string;
  readonly value: string;
  readonly children: readonly Node[];
}

const meaning = (dataset: Dataset | undefined): string => (dataset && text(dataset, Tag.CodeMeaning)) ?? "";

export function reportOf(dataset: Dataset): Node {
  return nodeOf(dataset);
}

function nodeOf(content: Dataset): Node {
  return {
    name: meaning(item(content, Tag.ConceptNameCodeSequence)),
    value: valueOf(content),
    children: items(content, Tag.ContentSequence).filter(readable).map(nodeOf),
  };
}

const readable = (content: Dataset): boolean => text(content, Tag.ValueType) !== undefined;

function valueOf(content: Dataset): string {
  switch (text(content, Tag.ValueType)) {
    case "TEXT":
      return text(content, Tag.TextValue) ?? "";
    case "CODE":
      return meaning(item(content, Tag.ConceptCodeSequence));
    case "NUM": {
      const measured = item(content, Tag.MeasuredValueSequence);
      if (!measured) return "—";
      const units = item(measured, Tag.MeasurementUnitsCodeSequence);
      const unit = units && text(units, Tag.CodeValue);
      return `${number(measured, Tag.NumericValue) ?? "—"} ${unit && unit !== "1" ? unit : ""}`.trim();
    }
    case "DATE":
      return formatDate(text(content, "0040A121"));
    case "TIME":
      return formatTime(text(content, "0040A122"));
    case "DATETIME": {
      const value = text(content, "0040A120") ?? "";
      return `${formatDate(value.slice(0, 8))} ${formatTime(value.slice(8))}`.trim();
    }
    case "PNAME":
      return text(content, "0040A123") ?? "";
    case "UIDREF":
      return text(content, "0040A124") ?? "";
    case "SCOORD":
    case "SCOORD3D":
      return (text(content, Tag.GraphicType) ?? "").toLowerCase();
    default:
      return "";
  }
}
