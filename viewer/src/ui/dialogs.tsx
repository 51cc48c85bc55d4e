// Modal dialogs of the browser: focus stays in them, Escape closes them.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "./icons";

interface DialogProps {
  readonly title: string;
  readonly close: () => void;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}

export function Dialog({ title, close, children, wide }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class={wide ? "wide" : ""} aria-labelledby={id} onClose={close} onKeyDown={(event) => event.stopPropagation()}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="icon-button" aria-label={t("action.close")} title={t("action.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}

interface FormDialogProps extends DialogProps {
  readonly action: string;
  readonly danger?: boolean;
  /** Closes the dialog unless it resolves to false: what was entered then stays to be put right. */
  readonly submit: (form: FormData) => Promise<boolean> | void;
}

/**
 * A dialog with fields, or with a question alone: Enter and the button submit it, once. An input
 * method's Enter is its own. Without fields the focus is on the way out.
 */
export function FormDialog({ title, close, children, wide, action, danger, submit }: FormDialogProps): JSX.Element {
  const busy = useSignal(false);
  return (
    <Dialog title={title} close={close} wide={wide}>
      <form
        class="dialog-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (busy.value) return;
          const sent = submit(new FormData(event.currentTarget));
          if (!sent) return close();
          busy.value = true;
          void sent.then((done) => {
            busy.value = false;
            if (done) close();
          });
        }}
      >
        {children}
        <footer>
          <button type="button" class="button" onClick={close} autofocus={danger}>
            {t("action.cancel")}
          </button>
          <button type="submit" class={`button ${danger ? "danger" : "primary"}`} disabled={busy.value}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
