/** kubectl from PATH or, as root on Debian, from apt; it renders the manifests and is asked for nothing else. */
import { execFileSync, spawnSync } from "node:child_process";
import { parseAllDocuments } from "yaml";
import { installWithApt } from "../../scripts/redis/install-with-apt.ts";

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const isThere = (): boolean => spawnSync("kubectl", ["version", "--client"]).status === 0;

export async function renderManifests(folder: string): Promise<Manifest[]> {
  if (!isThere()) {
    if (process.getuid?.() === 0) await installWithApt(["install", "-y", "kubernetes-client"]);
    if (!isThere())
      throw new Error("kubectl is not there. Install it, on Debian from the package kubernetes-client.");
  }
  const rendered = execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8" });
  return parseAllDocuments(rendered).map((document) => document.toJS() as Manifest);
}
