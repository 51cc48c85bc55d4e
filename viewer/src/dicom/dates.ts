// DA, TM and DT values to moments. The local time zone is the scanner's as far as anyone knows.

export function dateOf(da: string | undefined): Date | undefined {
  const match = da?.match(/^(\d{4})[.-]?(\d{2})[.-]?(\d{2})/);
  if (!match) return undefined;
  return new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
}

/** Seconds since midnight. */
export function secondsOf(tm: string | undefined): number | undefined {
  const match = tm?.match(/^(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d+)?)?/);
  if (!match) return undefined;
  return Number(match[1]) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
}

/** Milliseconds since the epoch. */
export function momentOf(da: string | undefined, tm: string | undefined): number | undefined {
  const date = dateOf(da);
  const seconds = secondsOf(tm);
  return date && seconds !== undefined ? date.getTime() + seconds * 1000 : undefined;
}

export const da = (date: Date): string =>
  `${date.getFullYear()}${pad(date.getMonth() + 1)}${pad(date.getDate())}`;

export const tm = (date: Date): string =>
  `${pad(date.getHours())}${pad(date.getMinutes())}${pad(date.getSeconds())}`;

const pad = (n: number): string => String(n).padStart(2, "0");
