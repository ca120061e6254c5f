import { z } from "zod";

/**
 * The parts of a package-lock.json that the review reads. Lockfiles are written by many npm versions and by hand, so
 * what is only looked at is taken leniently; what the figures stand on is not.
 */
const LockedPackage = z.object({
  name: z.string().optional(),
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  link: z.boolean().optional(),
  inBundle: z.boolean().optional(),
  dev: z.boolean().optional(),
  optional: z.boolean().optional(),
  devOptional: z.boolean().optional(),
  hasInstallScript: z.boolean().optional(),
  /** npm writes the message; some older tools write `true`. */
  deprecated: z.union([z.string(), z.boolean()]).optional().catch(undefined),
  /** Old packages have objects and lists here; they count as not named. */
  license: z.string().optional().catch(undefined),
  /** Not written by npm itself; some registries and tools add it. */
  unpackedSize: z.number().nonnegative().optional().catch(undefined),
  dependencies: z.record(z.string(), z.string()).optional(),
  devDependencies: z.record(z.string(), z.string()).optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
  peerDependencies: z.record(z.string(), z.string()).optional(),
});
export type LockedPackage = z.infer<typeof LockedPackage>;

export const Lockfile = z.object({
  name: z.string().optional(),
  version: z.string().optional(),
  lockfileVersion: z.literal([2, 3], {
    error: "must be 2 or 3; npm 7 and newer write it: npm install --package-lock-only",
  }),
  packages: z.record(z.string(), LockedPackage).refine((packages) => Object.hasOwn(packages, ""), {
    error: 'must hold the project itself under the key ""',
  }),
});
export type Lockfile = z.infer<typeof Lockfile>;
