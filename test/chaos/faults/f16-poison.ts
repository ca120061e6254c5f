/** An input that kills every worker that takes it: it must stop for a person, and not stop the fleet. */
import type { PlannedOrder } from "../plan.ts";
import { canaryOf, readWitness, type KillingRow } from "../witnesses.ts";
import { strike, until, type Fault } from "./fault.ts";

/** Past every order of the workload. */
const FIRST_ORDER = 100_000;
/** Its budget of crashes, and the one that is too many. */
const CRASHES = 4;
const COMES_WITHIN_MS = 60_000;
/** By then another worker would have taken it. */
const COMES_AGAIN_WITHIN_MS = 6_000;

export const poison: Fault = {
  id: "F16",
  what: "an order that kills every worker that writes it",
  async inject(chaos, nth) {
    const { world } = chaos;
    const n = FIRST_ORDER + nth;
    const order: PlannedOrder = {
      n,
      atMs: 0,
      account: "beta",
      type: "stairs",
      topic: `wells ${canaryOf("beta", n)}`,
      poison: true,
      parallel: 1,
      reusesKey: false,
      cancelAfterMs: null,
      decisions: ["reject", "reject"],
    };
    await strike(chaos, "F16", "worker", async () => {
      world.order(order);
      // Its own only: after a failover that forgot its end an earlier one may kill once more.
      const crashes = () =>
        readWitness<KillingRow>(world.witness.killings).filter((row) => row.order === n).length;
      await until(() => crashes() >= CRASHES, COMES_WITHIN_MS);
      await until(() => crashes() > CRASHES, COMES_AGAIN_WITHIN_MS);
      return {
        hit: crashes() > 0,
        detail: `it killed ${crashes()} workers`,
        facts: { order: n, crashes: crashes() },
      };
    });
  },
};
