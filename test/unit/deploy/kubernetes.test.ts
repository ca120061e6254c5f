/** The manifests, rendered by kubectl and held against the published schemas of Kubernetes and KEDA. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { listSettings } from "../../../src/config/settings.ts";
import { DEFAULT_POOL, type PoolSettings } from "../../../src/domain/warm-pool.ts";
import { METRIC_NAMES } from "../../../src/observability/metrics.ts";
import { renderManifests, type Manifest } from "../../support/kubectl.ts";

const root = resolve(import.meta.dirname, "../../..");
const ROLES = ["api", "orchestrator", "worker"] as const;

let manifests: Manifest[] = [];
beforeAll(async () => {
  manifests = await renderManifests(join(root, "deploy/kubernetes"));
});

/**
 * What is published of each kind: a check of values, and types that know every field. Named and not imported, as those
 * types do not pass a compiler as strict as ours.
 */
const PUBLISHED: Readonly<Record<string, string>> = {
  ConfigMap: "kubernetes-models/v1/ConfigMap",
  Deployment: "kubernetes-models/apps/v1/Deployment",
  Namespace: "kubernetes-models/v1/Namespace",
  NetworkPolicy: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
  PodDisruptionBudget: "kubernetes-models/policy/v1/PodDisruptionBudget",
  ScaledObject: "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
  Service: "kubernetes-models/v1/Service",
};

/** What the tests below read of the manifests. */
interface Deployment extends Manifest {
  spec: {
    replicas?: number;
    template: { spec: { terminationGracePeriodSeconds: number; containers: Container[] } };
  };
}
interface Container {
  args: string[];
  envFrom: { configMapRef?: { name: string }; secretRef?: { name: string } }[];
  lifecycle?: { preStop: { sleep: { seconds: number } } };
}
interface ScaledObject extends Manifest {
  spec: {
    minReplicaCount: number;
    maxReplicaCount: number;
    idleReplicaCount: number;
    cooldownPeriod: number;
    fallback: { replicas: number };
    advanced: {
      horizontalPodAutoscalerConfig: { behavior: { scaleDown: { stabilizationWindowSeconds: number } } };
    };
    triggers: { metadata: { query: string; threshold: string } }[];
  };
}

function named(kind: string, name: string): Manifest {
  const found = manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`There is no ${kind} ${name}.`);
  return found;
}

const deployment = (role: string) => named("Deployment", role) as Deployment;
function containerOf(role: string) {
  const [container, ...others] = deployment(role).spec.template.spec.containers;
  if (container === undefined || others.length > 0) throw new Error(`${role} has not one container.`);
  return container;
}

test("every manifest is one that Kubernetes or KEDA takes, value by value", async () => {
  expect(manifests.length).toBeGreaterThan(10);
  for (const manifest of manifests) {
    const { [manifest.kind]: Kind } = (await import(PUBLISHED[manifest.kind] ?? manifest.kind)) as Record<
      string,
      new (manifest: Manifest) => { validate(): void }
    >;
    if (Kind === undefined) throw new Error(`No schema is known for ${manifest.kind}.`);
    expect(() => new Kind(manifest).validate()).not.toThrow();
  }
});

test("no manifest has a field that its kind does not know, since a cluster would drop it in silence", () => {
  const dir = join(root, "node_modules", ".report-fleet-manifests");
  mkdirSync(dir, { recursive: true });
  try {
    const lines = manifests.flatMap((manifest, index) => [
      `import type { I${manifest.kind} as Kind${index} } from ${JSON.stringify(PUBLISHED[manifest.kind])};`,
      `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest)};`,
    ]);
    writeFileSync(join(dir, "manifests.ts"), lines.join("\n"));
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const options = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2024",
    ];
    const ended = spawnSync(
      process.execPath,
      [compiler, ...options, "--types", "", join(dir, "manifests.ts")],
      {
        cwd: root,
        encoding: "utf8",
      },
    );
    expect(ended.stdout).toBe("");
    expect(ended.status).toBe(0);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("the workers that KEDA keeps are those of the pool: warm and most, sections each, both waits", () => {
  const { spec } = named("ScaledObject", "worker") as ScaledObject;
  const { scaleDown } = spec.advanced.horizontalPodAutoscalerConfig.behavior;
  const found: PoolSettings = {
    replicas: { least: spec.minReplicaCount, most: spec.maxReplicaCount },
    concurrency: Number(spec.triggers[0]?.metadata.threshold),
    scaledownTtlMs: scaleDown.stabilizationWindowSeconds * 1_000,
    idleTtlMs: spec.cooldownPeriod * 1_000,
  };
  expect(found).toEqual(DEFAULT_POOL);
  expect(spec.idleReplicaCount).toBe(0);
  expect(spec.fallback.replicas).toBe(DEFAULT_POOL.replicas.least);
  const { args } = containerOf("worker");
  expect(Number(args[args.indexOf("--concurrency") + 1])).toBe(DEFAULT_POOL.concurrency);
  // A number there would be set back with every apply.
  expect(deployment("worker").spec).not.toHaveProperty("replicas");
});

test("what KEDA asks Prometheus for is a metric that the fleet has", () => {
  const { spec } = named("ScaledObject", "worker") as ScaledObject;
  for (const { metadata } of spec.triggers) {
    const names = [...metadata.query.matchAll(/\bfleet_[a-z_]+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !(METRIC_NAMES as string[]).includes(name))).toEqual([]);
  }
});

test("only workers are given the provider's key", () => {
  const holders = ROLES.filter((role) =>
    containerOf(role).envFrom.some(
      ({ secretRef, configMapRef }) => secretRef?.name === "provider" || configMapRef?.name === "provider",
    ),
  );
  expect(holders).toEqual(["worker"]);
  expect(manifests.filter(({ kind }) => kind === "Secret")).toEqual([]);
});

test("a pod that is stopped gets longer than the calls in flight get to answer", () => {
  const graceMs = loadConfig({}).durations.graceMs;
  for (const role of ROLES) {
    const waitsMs = (containerOf(role).lifecycle?.preStop.sleep.seconds ?? 0) * 1_000;
    const givenMs = deployment(role).spec.template.spec.terminationGracePeriodSeconds * 1_000;
    expect(givenMs).toBeGreaterThanOrEqual(graceMs + waitsMs + 10_000);
  }
});

test("every pod runs without root, capabilities, a writable root and a token, and is watched and not evicted at once", () => {
  for (const role of ROLES) {
    const pod = deployment(role).spec.template.spec;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: "RuntimeDefault" } },
    });
    expect(containerOf(role)).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      startupProbe: { httpGet: { path: "/livez" } },
      livenessProbe: { httpGet: { path: "/livez" } },
      readinessProbe: { httpGet: { path: "/readyz" } },
    });
    expect(named("PodDisruptionBudget", role)).toMatchObject({
      spec: { selector: { matchLabels: { app: role } } },
    });
  }
});

const settingsIn = (map: string) =>
  Object.keys((named("ConfigMap", map) as Manifest & { data: object }).data);

function givenTo(role: string): string[] {
  return containerOf(role).envFrom.flatMap(({ configMapRef }) =>
    configMapRef === undefined ? [] : settingsIn(configMapRef.name),
  );
}

test("a setting that one pod is given, every pod that needs it is given as well", () => {
  const lacking = listSettings().flatMap(({ name, roles: needed }) => {
    const needing = ROLES.filter((role) => needed.includes(role));
    const without = needing.filter((role) => !givenTo(role).includes(name));
    return without.length < needing.length ? without.map((role) => `${role} lacks ${name}`) : [];
  });
  expect(lacking).toEqual([]);
});

test("every setting that a pod is given is one that the fleet knows", () => {
  const known = new Set(listSettings().map(({ name }) => name));
  for (const name of ["fleet", "provider"])
    expect(settingsIn(name).filter((key) => !known.has(key))).toEqual([]);
});
