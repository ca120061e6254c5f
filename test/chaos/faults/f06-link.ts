/** The link of one process to Redis misbehaves: replies are lost, nothing comes back, it breaks, it is slow. */
import type { FleetSlot } from "../fleet-slot.ts";
import type { ScriptName } from "../script-names.ts";
import { pause, strike, until, withSlot, type Chaos, type Fault } from "./fault.ts";

const FAULT = "F6";

/** Each of them moves money or a report, so a second run of it would show. */
const LOSABLE: readonly { role: FleetSlot["role"]; scripts: readonly ScriptName[] }[] = [
  {
    role: "worker",
    scripts: ["call-outcomes/RECORD", "sections/FINISH", "calls/BEGIN", "sections/LEAVE", "sections/CLAIM"],
  },
  {
    role: "orchestrator",
    scripts: ["deliver/DELIVER", "report-transitions/START_ROUND", "report-transitions/PARK"],
  },
  { role: "api", scripts: ["admit/ADMIT"] },
];

const FORMS: readonly {
  form: string;
  role: FleetSlot["role"];
  lastMs: number;
  spoil(slot: FleetSlot): () => void;
}[] = [
  { form: "broke", role: "worker", lastMs: 500, spoil: ({ link }) => (link.breakAll(), () => undefined) },
  {
    form: "half open",
    role: "worker",
    // Longer than a silent link is believed.
    lastMs: 13_000,
    spoil: ({ link }) => link.halfOpen(),
  },
  { form: "half a second late", role: "orchestrator", lastMs: 4_000, spoil: slowed({ latencyMs: 500 }) },
  { form: "down to 1 KB/s", role: "worker", lastMs: 5_000, spoil: slowed({ bytesPerSecond: 1_024 }) },
  { form: "half a second late", role: "api", lastMs: 4_000, spoil: slowed({ latencyMs: 500 }) },
];

function slowed(pace: { latencyMs?: number; bytesPerSecond?: number }): (slot: FleetSlot) => () => void {
  return ({ link }) => {
    link.slow(pace);
    return () => link.slow();
  };
}

export const badLink: Fault = {
  id: FAULT,
  what: "replies are lost, a link is half open, broken or slow",
  async inject(chaos, nth) {
    const losable = LOSABLE[nth % LOSABLE.length];
    if (losable !== undefined)
      await withSlot(chaos, FAULT, losable.role, async (slot) => {
        for (const script of losable.scripts) await loseReply(chaos, slot, script);
      });
    const form = FORMS[nth % FORMS.length];
    if (form !== undefined)
      await withSlot(chaos, FAULT, form.role, (slot) =>
        strike(chaos, FAULT, slot.name, async () => {
          const mend = form.spoil(slot);
          await pause(form.lastMs);
          mend();
          return { hit: true, detail: form.form };
        }),
      );
  },
};

async function loseReply(chaos: Chaos, slot: FleetSlot, script: ScriptName): Promise<void> {
  await strike(chaos, FAULT, slot.name, async () => {
    const before = slot.link.resent.length;
    const met = await slot.link.meet(script, "lose_reply", 4_000);
    const again = met !== null && (await until(() => slot.link.resent.length > before, 15_000));
    // Not every script runs in every stretch of time; what did run and was not sent again is the finding.
    const detail = met === null ? `${script} did not come` : `the reply to ${script} was lost`;
    return { hit: again, detail, facts: { resent: again ? 1 : 0, met: met === null ? 0 : 1 } };
  });
}
