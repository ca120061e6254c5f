/** What `/metrics` answered, as samples. */
export interface ExposedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export class Exposed {
  readonly text: string;
  readonly samples: readonly ExposedSample[];

  constructor(exposed: string) {
    this.text = exposed;
    this.samples = exposed.split("\n").flatMap((line) => {
      const sample = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/i.exec(line);
      if (sample === null) return [];
      const [, name = "", labels = "", value] = sample;
      const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = "", text = ""]) => [
        key,
        text,
      ]);
      return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
    });
  }

  /** Sum of a metric's samples with these labels; null where there is none. */
  sum(name: string, labels: Record<string, string> = {}): number | null {
    const found = this.samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
  }
}

export async function scrape(url: string, token?: string): Promise<Exposed> {
  const response = await fetch(`${url}/metrics`, {
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
  });
  if (response.status !== 200) throw new Error(`${url}/metrics answered ${response.status}.`);
  return new Exposed(await response.text());
}
