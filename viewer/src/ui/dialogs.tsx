// Modal dialogs of the browser: focus stays in them, Escape closes them.

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
  readonly submit: (form: FormData) => void;
}

/**
 * A dialog with fields, or with a question alone: Enter and the button submit it. An input method's
 * Enter is its own. Without fields the focus is on the way out.
 */
export function FormDialog({ title, close, children, wide, action, danger, submit }: FormDialogProps): JSX.Element {
  return (
    <Dialog title={title} close={close} wide={wide}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit(new FormData(event.currentTarget));
        }}
      >
        {children}
        <footer>
          <button type="button" class="button" onClick={close} autofocus={danger}>
            {t("action.cancel")}
          </button>
          <button type="submit" class={`button ${danger ? "danger" : "primary"}`}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
