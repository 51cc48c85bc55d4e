// DA, TM and DT values to moments. The local time zone is the scanner's as far as anyone knows.

/** The day's beginning; undefined for what is no day of the calendar, as 00000000 is not. */
export function dateOf(da: string | undefined): Date | undefined {
  const match = da?.match(/^(\d{4})[.-]?(\d{2})[.-]?(\d{2})/);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]) - 1, Number(match[3])];
  const date = new Date(year, month, day);
  return date.getFullYear() === year && date.getMonth() === month && date.getDate() === day ? date : undefined;
}

/** Whole years from one date to another, as ages are counted; undefined for what is no age. */
export function yearsBetween(birth: string | undefined, then: string | undefined): number | undefined {
  const [from, to] = [dateOf(birth), dateOf(then)];
  if (!from || !to) return undefined;
  const passed = to.getMonth() - from.getMonth() || to.getDate() - from.getDate();
  const years = to.getFullYear() - from.getFullYear() - (passed < 0 ? 1 : 0);
  return years >= 0 && years < 130 ? years : undefined;
}

/** Seconds since midnight. */
export function secondsOf(tm: string | undefined): number | undefined {
  const match = tm?.match(/^(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d+)?)?/);
  if (!match) return undefined;
  return Number(match[1]) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
}

/** Milliseconds since the epoch as if in UTC, so that no clock is put forward between two of them. */
export function momentOf(da: string | undefined, tm: string | undefined): number | undefined {
  const date = dateOf(da);
  const seconds = secondsOf(tm);
  if (!date || seconds === undefined) return undefined;
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) + seconds * 1000;
}

export const da = (date: Date): string =>
  `${date.getFullYear()}${pad(date.getMonth() + 1)}${pad(date.getDate())}`;

export const tm = (date: Date): string =>
  `${pad(date.getHours())}${pad(date.getMinutes())}${pad(date.getSeconds())}`;

const pad = (n: number): string => String(n).padStart(2, "0");
