// Waveforms (PS3.3 §C.10.9): samples of each channel in its physical unit.

import { bulk } from "../net/dicomweb";
import { inlineBytes, item, items, number, text, type Dataset } from "./json";
import { Tag } from "./tags";

export interface Channel {
  readonly label: string;
  readonly unit: string;
  readonly samples: Float32Array;
}

export interface Waveform {
  readonly frequency: number; // samples a second
  readonly channels: readonly Channel[];
}

/** The multiplex groups of an instance. Throws when a group's samples are missing or not understood. */
export async function waveformsOf(instance: Dataset): Promise<Waveform[]> {
  return Promise.all(items(instance, Tag.WaveformSequence).map(waveformOf));
}

async function waveformOf(group: Dataset): Promise<Waveform> {
  const definitions = items(group, "003A0200");
  const count = number(group, "003A0005") ?? definitions.length;
  const samples = number(group, "003A0010") ?? 0;
  const element = group["54001010"];
  const bytes = inlineBytes(element) ?? (element?.BulkDataURI ? await bulk(element.BulkDataURI) : undefined);
  if (!bytes) throw new Error("the waveform has no samples");
  const bits = number(group, "54001004") ?? 16;
  const kind = text(group, "54001006") ?? "SS";
  if (bits !== 16 && bits !== 8) throw new Error(`samples of ${bits} bits cannot be drawn`);
  if (bytes.length < (count * samples * bits) / 8) throw new Error("the waveform has fewer samples than it says");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (i: number): number => {
    if (bits === 8) return kind === "UB" ? view.getUint8(i) : view.getInt8(i);
    return kind === "US" ? view.getUint16(2 * i, true) : view.getInt16(2 * i, true);
  };
  return {
    frequency: number(group, "003A001A") ?? 1,
    channels: Array.from({ length: count }, (_, c): Channel => {
      const definition = definitions[c] ?? {};
      const scale = (number(definition, "003A0210") ?? 1) * (number(definition, "003A0212") ?? 1);
      // Where an encoded 0 lies, in the channel's unit and not in steps of the encoding: PS3.3 §C.10.9.
      const baseline = number(definition, "003A0213") ?? 0;
      const source = item(definition, "003A0208");
      return {
        label: text(definition, "003A0203") ?? (source && text(source, Tag.CodeMeaning)) ?? `${c + 1}`,
        unit: text(item(definition, "003A0211") ?? {}, Tag.CodeValue) ?? "",
        samples: Float32Array.from({ length: samples }, (_, i) => read(i * count + c) * scale + baseline),
      };
    }),
  };
}

const MILLIVOLTS: Readonly<Record<string, number>> = { uV: 0.001, mV: 1, V: 1000 };

/** Millivolts of one unit, or undefined when the channel is no voltage. */
export const millivolts = (unit: string): number | undefined => MILLIVOLTS[unit];
