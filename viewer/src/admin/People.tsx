// Persons and the accounts that belong to them, roles, tokens, signing identities.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { ACTS } from "../access/session";
import { formatMoment } from "../i18n";
import { rest } from "../net/rest";
import { ReasonDialog } from "../report/ReasonDialog";
import { rtOr } from "../report/texts";
import { FormDialog } from "../ui/dialogs";
import { attempt, Choices, Input, Table, textOf, useListed } from "./parts";
import { dt } from "./texts";

export interface Person {
  readonly person_id: string;
  readonly name: string;
  readonly licence: string;
  readonly rank: number;
  readonly kind: string;
  readonly modalities: readonly string[];
  readonly qualified_until: string | null;
  readonly left_at: string | null;
}

interface Account {
  readonly account_id: string;
  readonly person_id: string;
  readonly login: string;
  readonly roles: readonly string[];
  readonly second_factor: boolean;
  readonly disabled_at: string | null;
  readonly locked_until: string | null;
}

interface Role {
  readonly name: string;
  readonly acts: readonly string[];
}

const RANKS = [0, 1, 2, 3, 4];

export function People(): JSX.Element {
  const persons = useListed<Person>("/persons", "persons");
  const accounts = useListed<Account>("/accounts", "accounts");
  const roles = useListed<Role>("/roles", "roles");
  const editing = useSignal<Person | "new" | undefined>(undefined);
  const adding = useSignal<Person | undefined>(undefined);
  const changing = useSignal<{ account: Account; what: "roles" | "password" } | undefined>(undefined);
  const patch = (account: Account, body: unknown): Promise<boolean> =>
    attempt(async () => {
      await rest("PATCH", `/accounts/${account.account_id}`, { body });
      await accounts.load();
    });
  const row = (person: Person): JSX.Element => {
    const own = (accounts.items.value ?? []).filter((account) => account.person_id === person.person_id);
    return (
      <tr key={person.person_id}>
        <td>
          <b>{person.name}</b>
          {person.kind === "ai" && <span class="chip">{dt("person.ai")}</span>}
          {person.left_at && <small>{dt("person.left")}</small>}
        </td>
        <td>{rtOr("rank", String(person.rank))}</td>
        <td>{person.licence || "—"}</td>
        <td>{person.qualified_until ?? "—"}</td>
        <td>
          {own.length === 0 && <span class="quiet">{dt("account.none")}</span>}
          {own.map((account) => {
            const disabled = account.disabled_at !== null;
            const locked = !!account.locked_until && Date.parse(account.locked_until) > Date.now();
            return (
              <div key={account.account_id} class="account">
                <span>
                  {account.login} <small>{account.roles.join(", ")}</small>
                  {disabled && <span class="chip urgent">{dt("account.disabled")}</span>}
                  {locked && <span class="chip urgent">{dt("account.locked")}</span>}
                </span>
                <span class="row-actions">
                  <button type="button" class="link" onClick={() => (changing.value = { account, what: "roles" })}>
                    {dt("account.roles")}
                  </button>
                  <button type="button" class="link" onClick={() => (changing.value = { account, what: "password" })}>
                    {dt("account.resetPassword")}
                  </button>
                  {account.second_factor && (
                    <button type="button" class="link" onClick={() => void patch(account, { reset_second_factor: true })}>
                      {dt("account.resetFactor")}
                    </button>
                  )}
                  {locked && (
                    <button type="button" class="link" onClick={() => void patch(account, { unlock: true })}>
                      {dt("account.unlock")}
                    </button>
                  )}
                  <button type="button" class="link" onClick={() => void patch(account, { disabled: !disabled })}>
                    {dt(disabled ? "account.enable" : "account.disable")}
                  </button>
                </span>
              </div>
            );
          })}
        </td>
        <td class="row-actions">
          <button type="button" class="link" onClick={() => (editing.value = person)}>
            {dt("change")}
          </button>
          <button type="button" class="link" onClick={() => (adding.value = person)}>
            {dt("account.add")}
          </button>
        </td>
      </tr>
    );
  };
  const person = editing.value;
  const names = (roles.items.value ?? []).map((role) => role.name);
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (editing.value = "new")}>
          {dt("add")}
        </button>
      </p>
      <Table
        listed={persons}
        columns={[dt("person.name"), dt("person.rank"), dt("person.licence"), dt("person.qualified"), dt("account.login"), ""]}
        row={row}
      />
      {person && <PersonDialog person={person === "new" ? undefined : person} close={() => (editing.value = undefined)} changed={persons.load} />}
      {adding.value && (
        <FormDialog
          title={`${dt("account.add")} · ${adding.value.name}`}
          close={() => (adding.value = undefined)}
          action={dt("save")}
          submit={(given) =>
            attempt(async () => {
              const body = { person_id: adding.value!.person_id, login: textOf(given, "login"), password: String(given.get("password")), roles: given.getAll("roles") };
              await rest("POST", "/accounts", { body });
              await accounts.load();
            })
          }
        >
          <Input name="login" label={dt("account.login")} required maxLength={100} />
          <Input name="password" label={dt("account.password")} type="password" required />
          <Choices name="roles" label={dt("account.roles")} all={names} chosen={[]} />
        </FormDialog>
      )}
      {changing.value && (
        <FormDialog
          title={`${dt(changing.value.what === "roles" ? "account.roles" : "account.resetPassword")} · ${changing.value.account.login}`}
          close={() => (changing.value = undefined)}
          action={dt("save")}
          submit={(given) => {
            const { account, what } = changing.value!;
            return patch(account, what === "roles" ? { roles: given.getAll("roles") } : { password: String(given.get("password")) });
          }}
        >
          {changing.value.what === "roles" ? (
            <Choices name="roles" label={dt("account.roles")} all={names} chosen={changing.value.account.roles} />
          ) : (
            <Input name="password" label={dt("account.newPassword")} type="password" required />
          )}
        </FormDialog>
      )}
    </>
  );
}

function PersonDialog({ person, close, changed }: { person: Person | undefined; close: () => void; changed: () => Promise<void> }): JSX.Element {
  const send = (given: FormData): Promise<boolean> =>
    attempt(async () => {
      const body = {
        name: textOf(given, "name"),
        licence: textOf(given, "licence"),
        rank: Number(given.get("rank")),
        kind: textOf(given, "kind"),
        modalities: textOf(given, "modalities").split(/[,，、\s]+/).filter(Boolean),
        qualified_until: textOf(given, "qualified_until") || null,
      };
      await (person ? rest("PATCH", `/persons/${person.person_id}`, { body }) : rest("POST", "/persons", { body }));
      await changed();
    });
  return (
    <FormDialog title={person?.name ?? dt("add")} close={close} action={dt("save")} submit={send}>
      <Input name="name" label={dt("person.name")} value={person?.name} required />
      <Input name="licence" label={dt("person.licence")} value={person?.licence} maxLength={64} />
      <label class="field">
        {dt("person.rank")}
        <select name="rank" defaultValue={String(person?.rank ?? 1)}>
          {RANKS.map((rank) => (
            <option key={rank} value={rank}>
              {rtOr("rank", String(rank))}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {dt("person.kind")}
        <select name="kind" defaultValue={person?.kind ?? "human"}>
          <option value="human">{dt("person.human")}</option>
          <option value="ai">{dt("person.ai")}</option>
        </select>
      </label>
      <Input name="modalities" label={dt("person.modalities")} value={person?.modalities.join(", ")} maxLength={400} />
      <Input name="qualified_until" label={dt("person.qualified")} value={person?.qualified_until} type="date" />
    </FormDialog>
  );
}

export function Roles(): JSX.Element {
  const roles = useListed<Role>("/roles", "roles");
  const editing = useSignal<Role | undefined>(undefined);
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (editing.value = { name: "", acts: [] })}>
          {dt("add")}
        </button>
      </p>
      <Table
        listed={roles}
        columns={[dt("role.name"), dt("role.acts"), ""]}
        row={(role) => (
          <tr key={role.name}>
            <td>
              <b>{role.name}</b>
            </td>
            <td>{role.acts.join(", ") || "—"}</td>
            <td class="row-actions">
              <button type="button" class="link" onClick={() => (editing.value = role)}>
                {dt("change")}
              </button>
            </td>
          </tr>
        )}
      />
      {editing.value && (
        <FormDialog
          title={editing.value.name || dt("add")}
          close={() => (editing.value = undefined)}
          action={dt("save")}
          submit={(given) =>
            attempt(async () => {
              const name = editing.value!.name || textOf(given, "name");
              await rest("PUT", `/roles/${encodeURIComponent(name)}`, { body: { acts: given.getAll("acts") } });
              await roles.load();
            })
          }
        >
          {!editing.value.name && <Input name="name" label={dt("role.name")} required maxLength={40} />}
          <Choices name="acts" label={dt("role.acts")} all={ACTS} chosen={editing.value.acts} />
        </FormDialog>
      )}
    </>
  );
}

interface Token {
  readonly token_id: string;
  readonly name: string;
  readonly acts: readonly string[];
  readonly expires_at: string | null;
}

export function Tokens(): JSX.Element {
  const tokens = useListed<Token>("/tokens", "tokens");
  const adding = useSignal(false);
  const made = useSignal("");
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (adding.value = true)}>
          {dt("add")}
        </button>
      </p>
      {made.value && (
        <p class="once" role="status">
          {dt("token.once")} <code>{made.value}</code>
        </p>
      )}
      <Table
        listed={tokens}
        columns={[dt("token.name"), dt("token.acts"), dt("token.expires"), ""]}
        row={(token) => (
          <tr key={token.token_id}>
            <td>
              <b>{token.name}</b>
            </td>
            <td>{token.acts.join(", ")}</td>
            <td>{formatMoment(token.expires_at) || "—"}</td>
            <td class="row-actions">
              <button
                type="button"
                class="link"
                onClick={() =>
                  void attempt(async () => {
                    await rest("DELETE", `/tokens/${token.token_id}`);
                    await tokens.load();
                  })
                }
              >
                {dt("token.revoke")}
              </button>
            </td>
          </tr>
        )}
      />
      {adding.value && (
        <FormDialog
          title={dt("tab.tokens")}
          close={() => (adding.value = false)}
          action={dt("save")}
          submit={(given) =>
            attempt(async () => {
              const until = textOf(given, "expires");
              const body = { name: textOf(given, "name"), acts: given.getAll("acts"), expires_at: until ? new Date(`${until}T23:59:59`).toISOString() : null };
              made.value = (await rest<{ token: string }>("POST", "/tokens", { body })).value.token;
              await tokens.load();
            })
          }
        >
          <Input name="name" label={dt("token.name")} required maxLength={100} />
          <Input name="expires" label={dt("token.expires")} type="date" />
          <Choices name="acts" label={dt("token.acts")} all={ACTS} chosen={["search", "view"]} />
        </FormDialog>
      )}
    </>
  );
}

interface Identity {
  readonly id: string;
  readonly person_id: string;
  readonly driver: string;
  readonly algorithm: string;
  readonly enrolled_by: string | null;
  readonly approved_by: string | null;
  readonly valid_to: string | null;
  readonly revoked_at: string | null;
}

export function Identities(): JSX.Element {
  const identities = useListed<Identity>("/signing-identities", "signing_identities");
  const persons = useListed<Person>("/persons", "persons");
  const adding = useSignal(false);
  const nameOf = (id: string | null): string => persons.items.value?.find((person) => person.person_id === id)?.name ?? id ?? "—";
  const act = (identity: Identity, action: "approve" | "revoke", body: { reason?: string } = {}): void =>
    void attempt(async () => {
      await rest("POST", `/signing-identities/${identity.id}/actions/${action}`, { body });
      await identities.load();
    });
  const revoking = useSignal<Identity | undefined>(undefined);
  const revoked = revoking.value;
  return (
    <>
      <p class="admin-actions">
        <button type="button" class="button primary" onClick={() => (adding.value = true)}>
          {dt("add")}
        </button>
      </p>
      <Table
        listed={identities}
        columns={[dt("identity.person"), dt("identity.state"), dt("identity.algorithm"), dt("identity.enrolledBy"), dt("identity.approvedBy"), ""]}
        row={(identity) => (
          <tr key={identity.id}>
            <td>
              <b>{nameOf(identity.person_id)}</b>
            </td>
            <td>{dt(identity.revoked_at ? "identity.revoked" : identity.approved_by ? "identity.active" : "identity.pending")}</td>
            <td>
              {identity.driver} {identity.algorithm}
            </td>
            <td>{nameOf(identity.enrolled_by)}</td>
            <td>{nameOf(identity.approved_by)}</td>
            <td class="row-actions">
              {!identity.approved_by && !identity.revoked_at && (
                <button type="button" class="link" onClick={() => act(identity, "approve")}>
                  {dt("identity.approve")}
                </button>
              )}
              {!identity.revoked_at && (
                <button type="button" class="link" onClick={() => (revoking.value = identity)}>
                  {dt("identity.revoke")}
                </button>
              )}
            </td>
          </tr>
        )}
      />
      {revoked && <ReasonDialog title={dt("identity.revoke")} close={() => (revoking.value = undefined)} done={(reason) => act(revoked, "revoke", { reason })} />}
      {adding.value && (
        <FormDialog
          title={dt("tab.identities")}
          close={() => (adding.value = false)}
          action={dt("save")}
          submit={(given) =>
            attempt(async () => {
              await rest("POST", "/signing-identities", { body: { person_id: textOf(given, "person"), driver: "local" } });
              await identities.load();
            })
          }
        >
          <label class="field">
            {dt("identity.person")}
            <select name="person" required>
              {(persons.items.value ?? [])
                .filter((person) => person.kind !== "ai" && person.rank > 0)
                .map((person) => (
                  <option key={person.person_id} value={person.person_id}>
                    {person.name}
                  </option>
                ))}
            </select>
          </label>
        </FormDialog>
      )}
    </>
  );
}
