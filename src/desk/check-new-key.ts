import { SCOPES_OF_THE_FLEET, type Scope } from "../domain/api-key.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { ACCOUNT_RULE, isAccount } from "../domain/ids.ts";

/** An account's key never gets a scope over the fleet: a mistake made here would hand one customer all the others. */
export function checkNewKey({ account, scopes }: { account: string | null; scopes: readonly Scope[] }): void {
  if (account === null) return;
  if (!isAccount(account)) throw new FleetError("usage", `"${account}" is no account: ${ACCOUNT_RULE}.`);
  const tooMuch = scopes.filter((scope) => SCOPES_OF_THE_FLEET.includes(scope));
  if (tooMuch.length > 0)
    throw new FleetError(
      "usage",
      `The key of an account cannot hold ${tooMuch.join(" and ")}: that is over the whole fleet. Leave the account out for such a key.`,
    );
}
