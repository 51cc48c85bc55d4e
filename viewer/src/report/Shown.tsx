// A report as it reads: sections, fields, measurements, key images, who signed.

import type { JSX } from "preact";
import { formatMoment } from "../i18n";
import type { Pictures } from "./Editor";
import { measurementText } from "./insertion";
import { SECTIONS, type Content, type Signature } from "./model";
import { rt, rtOr } from "./texts";

export function ShownContent({ content, pictures }: { content: Content; pictures?: Pictures }): JSX.Element {
  return (
    <div class="report-shown">
      {SECTIONS.filter((section) => content.sections[section]?.trim()).map((section) => (
        <section key={section}>
          <h4>{rt(`section.${section}`)}</h4>
          <p>{content.sections[section]}</p>
        </section>
      ))}
      {Object.entries(content.fields).length > 0 && (
        <dl>
          {Object.entries(content.fields).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{Array.isArray(value) ? value.join(", ") : String(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      {content.measurements.length > 0 && (
        <section>
          <h4>{rt("measurements")}</h4>
          {content.measurements.map((one) => (
            <p key={`${one.tracking_uid}/${one.kind}`}>{measurementText(one)}</p>
          ))}
        </section>
      )}
      {content.key_images.length > 0 && (
        <section>
          <h4>{rt("keyImages")}</h4>
          {content.key_images.map((image, index) => (
            <button key={`${image.instance_uid}/${image.frame_number}`} type="button" class="link" onClick={() => pictures?.show(image)}>
              {index + 1}
              {image.note && ` ${image.note}`}
            </button>
          ))}
        </section>
      )}
    </div>
  );
}

export function Signatures({ signatures }: { signatures: readonly Signature[] }): JSX.Element {
  return (
    <ul class="signatures">
      {signatures.map((signature) => (
        <li key={`${signature.role}${signature.person_id}${signature.signed_at}`}>
          <b>{signature.name}</b> {rtOr("rank", String(signature.rank))}
          <small>
            {rtOr("role", signature.role)} · {formatMoment(signature.signed_at)}
          </small>
        </li>
      ))}
    </ul>
  );
}
