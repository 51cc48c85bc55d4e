// Panes up to 4 x 4, and hanging protocols: hung, saved, removed.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { may, reader } from "../../access/session";
import { t } from "../../i18n";
import { IconButton, Menu, MenuItem } from "../../ui/controls";
import { FormDialog } from "../../ui/dialogs";
import { useReading } from "../context";
import { fitting, hang, isRemovable, isShared, remove, save } from "../hanging";

export function LayoutMenu(): JSX.Element {
  const { session } = useReading();
  const { rows, columns } = session.layout.value;
  const over = useSignal<readonly [number, number]>([rows, columns]);
  const saving = useSignal(false);
  return (
    <>
    <Menu icon="layout" label={t("layout.title")}>
      {(close) => (
        <>
          <div class="layout-grid" role="group" aria-label={t("layout.title")}>
            {Array.from({ length: 16 }, (_, i) => {
              const [r, c] = [Math.floor(i / 4) + 1, (i % 4) + 1];
              const inside = r <= over.value[0] && c <= over.value[1];
              return (
                <button
                  key={i}
                  type="button"
                  class={inside ? "cell on" : "cell"}
                  aria-label={`${r} × ${c}`}
                  onPointerEnter={() => (over.value = [r, c])}
                  onFocus={() => (over.value = [r, c])}
                  onClick={() => {
                    close();
                    session.setLayout({ rows: r, columns: c });
                    session.fill();
                  }}
                />
              );
            })}
          </div>
          <p class="menu-note">{`${over.value[0]} × ${over.value[1]}`}</p>
          <hr />
          {fitting(session).map((protocol) => (
            <div class="protocol" key={protocol.id}>
              <MenuItem label={protocol.title ? t(protocol.title) : protocol.name} hint={`${isShared(protocol) ? `${t("hanging.shared")} · ` : ""}${protocol.rows} × ${protocol.columns}`} onClick={() => { close(); hang(session, protocol); }} />
              {isRemovable(protocol) && <IconButton icon="trash" label={`${t("action.remove")} ${protocol.name}`} onClick={() => void remove(protocol)} />}
            </div>
          ))}
          <MenuItem icon="save" label={t("hanging.save")} onClick={() => { close(); saving.value = true; }} />
        </>
      )}
    </Menu>
    {saving.value && <HangingDialog close={() => (saving.value = false)} />}
    </>
  );
}

/** Names the present layout and keeps it as a hanging protocol. */
function HangingDialog({ close }: { close: () => void }): JSX.Element {
  const { session } = useReading();
  const modality = session.active.value?.stack.value?.modality ?? "";
  return (
    <FormDialog
      title={t("hanging.save")}
      close={close}
      action={t("action.save")}
      submit={(form) => {
        const name = String(form.get("name") ?? "").trim();
        if (name) void save(session, name, { automatic: form.get("automatic") !== null, shared: form.get("shared") !== null });
      }}
    >
      <label class="field">
        {t("hanging.name")}
        <input name="name" type="text" maxLength={40} required autofocus />
      </label>
      <label class="field check">
        <input name="automatic" type="checkbox" /> {t("hanging.automatic", { modality })}
      </label>
      {reader.value && may("templates") && (
        <label class="field check">
          <input name="shared" type="checkbox" /> {t("hanging.forEverybody")}
        </label>
      )}
    </FormDialog>
  );
}
