import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { root } from "../net/address";
import { Icon } from "../ui/icons";
import { modalityIcon } from "../ui/modality";

/** The server's thumbnail of a study or series; objects without pixels get the sign of their modality. */
export function Thumbnail({ path, modality, size }: { path: string; modality: string; size: number }): JSX.Element {
  const none = useRef(signal(false)).current;
  if (none.value)
    return (
      <span class="no-thumbnail">
        <Icon name={modality ? modalityIcon(modality) : "document"} size={size > 60 ? 36 : 22} />
      </span>
    );
  return (
    <img
      src={`${root()}${path}/thumbnail?viewport=${size * 2},${size * 2}`}
      alt=""
      loading="lazy"
      width={size}
      height={size}
      onError={() => (none.value = true)}
    />
  );
}
