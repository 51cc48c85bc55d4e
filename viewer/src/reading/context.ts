// What every component of the reading page shares.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Drafts } from "./drafts";
import type { Painter } from "./painter";
import type { Session } from "./session";

export interface Reading {
  readonly session: Session;
  readonly drafts: Drafts;
  readonly painter: { current: Painter | undefined };
}

export const ReadingContext = createContext<Reading | undefined>(undefined);

export function useReading(): Reading {
  const reading = useContext(ReadingContext);
  if (!reading) throw new Error("a reading component outside of the reading page");
  return reading;
}
