// What is done in one pane is done in the others.

import type { JSX } from "preact";
import { t } from "../../i18n";
import { Menu, MenuItem } from "../../ui/controls";
import { useReading } from "../context";

export function LinkMenu(): JSX.Element | null {
  const { session } = useReading();
  const { sync } = session;
  if (session.viewports.value.length < 2) return null;
  const any = sync.scroll.value || sync.window.value || sync.view.value;
  return (
    <Menu icon="link" label={t("sync.title")} pressed={any}>
      {() => (
        <>
          <MenuItem label={t("sync.scroll")} checked={sync.scroll.value} onClick={() => sync.toggleScroll()} />
          <MenuItem label={t("sync.window")} checked={sync.window.value} onClick={() => (sync.window.value = !sync.window.value)} />
          <MenuItem label={t("sync.view")} checked={sync.view.value} onClick={() => (sync.view.value = !sync.view.value)} />
        </>
      )}
    </Menu>
  );
}
