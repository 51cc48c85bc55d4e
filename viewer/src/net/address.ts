// Where the page's server has what.

/** The service root of the page's server, absolute, without a slash at the end. */
export function root(): string {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="dicomweb-root"]');
  // The server fills in its root; served by Vite, the place for it is still there.
  const path = meta && !meta.content.includes("{{") ? meta.content : "/dicom-web";
  return new URL(path, location.href).href.replace(/\/$/, "");
}

export const studyPath = (study: string): string => `/studies/${study}`;
export const seriesPath = (study: string, series: string): string => `/studies/${study}/series/${series}`;
export const instancePath = (study: string, series: string, instance: string): string =>
  `/studies/${study}/series/${series}/instances/${instance}`;
