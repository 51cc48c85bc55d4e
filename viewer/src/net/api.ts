// The server's own resources beside DICOMweb, under api/v1 of the page's place.

import { checked } from "./dicomweb";
import { fetchSignedIn } from "./rest";

const url = (path: string): URL => new URL(`api/v1/${path}`, document.baseURI);

/** Posts JSON, gives the answer's; a refusal is an HttpError with the server's sentence. */
export async function post<Answer>(path: string, body: unknown): Promise<Answer> {
  const response = await fetchSignedIn(url(path), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  return (await (await checked(response)).json()) as Answer;
}
