// Asks why something is done.

import type { JSX } from "preact";
import { FormDialog } from "../ui/dialogs";
import { rt } from "./texts";

interface ReasonProps {
  title: string;
  label?: string;
  done: (reason: string) => void;
  close: () => void;
}

export function ReasonDialog({ title, label, done, close }: ReasonProps): JSX.Element {
  return (
    <FormDialog
      title={title}
      action={title}
      close={close}
      submit={(form) => done(String(form.get("reason")).trim())}
    >
      <label class="field">
        {label ?? rt("reasonTitle")}
        <textarea name="reason" rows={3} maxLength={2000} required autofocus />
      </label>
    </FormDialog>
  );
}
