// What is seen, as a file or on paper.

import type { JSX } from "preact";
import { t, type Key } from "../../i18n";
import { may } from "../../access/session";
import { Menu, MenuItem } from "../../ui/controls";
import type { IconName } from "../../ui/icons";
import { useReading } from "../context";
import { exportSeen, type Export } from "../export";

const WAYS: readonly (readonly [Export, Key, IconName])[] = [
  ["pane", "export.png", "download"],
  ["layout", "export.pngAll", "download"],
  ["pdf", "export.pdf", "document"],
  ["print", "export.print", "print"],
  ["film", "export.film", "film"],
];

export function ExportMenu(): JSX.Element | null {
  const reading = useReading();
  const many = (reading.session.active.value?.range.value.count ?? 0) > 1;
  if (!may("export")) return null;
  return (
    <Menu icon="camera" label={t("export.title")}>
      {(close) =>
        WAYS.map(([what, label, icon]) => (
          <MenuItem
            key={what}
            icon={icon}
            label={t(label)}
            disabled={what === "film" && !many}
            onClick={() => {
              close();
              void exportSeen(reading, what);
            }}
          />
        ))
      }
    </Menu>
  );
}
