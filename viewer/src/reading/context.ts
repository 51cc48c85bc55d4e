// What every component of the reading page shares.

import type { Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Drafts } from "./drafts";
import type { Painter } from "./painter";
import type { Session } from "./session";

/** What is open over the page. */
export type Over = "help";

export interface Reading {
  readonly session: Session;
  readonly drafts: Drafts;
  readonly over: Signal<Over | undefined>;
  readonly painter: { current: Painter | undefined };
}

export const ReadingContext = createContext<Reading | undefined>(undefined);

export function useReading(): Reading {
  const reading = useContext(ReadingContext);
  if (!reading) throw new Error("a reading component outside of the reading page");
  return reading;
}
