// What will probably be looked at next is fetched while nothing else is: the other series of the
// study, then, of the patient's earlier studies, the series that is most like the one in use. It
// stays compressed until somebody looks at it, and takes no memory from what somebody does look at.

import { text, texts, type Dataset } from "../dicom/json";
import { arrange, type Stack } from "../dicom/stacks";
import { Tag } from "../dicom/tags";
import type { SeriesEntry } from "../net/early";
import { Rank } from "../net/interest";
import { ask } from "../net/opening";
import type { Session } from "./session";

interface Connection {
  readonly saveData?: boolean;
  readonly effectiveType?: string;
}

export async function prefetch(session: Session): Promise<void> {
  const connection = (navigator as { connection?: Connection }).connection;
  const scarce = connection?.saveData || (connection?.effectiveType ?? "4g") !== "4g";
  if (scarce || window.matchMedia("(max-width: 760px)").matches) return;
  for (const stack of session.stacks.value) wantAhead(session, stack);
  const active = session.active.value?.stack.value;
  const prior = active && likest(session.priors.value, active);
  if (!prior) return;
  const instances = await ask(text(prior, Tag.StudyInstanceUID) ?? "", (series) => alike(series, active));
  for (const stack of arrange(instances ?? []).stacks) wantAhead(session, stack);
}

function wantAhead(session: Session, { frames }: Stack): void {
  session.store.want({ frames, index: frames.length >> 1, rank: Rank.ahead });
}

/** The newest of the same modality. */
const likest = (priors: readonly Dataset[], active: Stack): Dataset | undefined =>
  priors.find((study) => texts(study, Tag.ModalitiesInStudy).includes(active.modality));

function alike(series: readonly SeriesEntry[], { modality, description }: Stack): SeriesEntry | undefined {
  const same = series.filter((each) => each.modality === modality);
  return same.find((each) => each.description === description) ?? same[0];
}
