// Over any page when its session has ended: the request that found out waits for the sign-in.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { signingIn } from "../net/rest";
import { Dialog } from "../ui/dialogs";
import { SignInForm } from "./SignInForm";
import { at } from "./texts";

const waiting = signal<readonly (() => void)[]>([]);

signingIn.ask = () => new Promise<void>((signedIn) => (waiting.value = [...waiting.value, signedIn]));

export function SignInDialog(): JSX.Element | null {
  if (waiting.value.length === 0) return null;
  const leave = (): void => {
    const all = waiting.value;
    waiting.value = [];
    // Whoever closed it without signing in gets the refusal the request would have got.
    for (const go of all) go();
  };
  const done = (): void => {
    signingIn.doneAt = performance.now();
    leave();
  };
  return (
    <Dialog title={at("title")} close={leave}>
      <div>
        <p>{at("again")}</p>
        <SignInForm done={done} />
      </div>
    </Dialog>
  );
}
