/** Runs a report author's asynchronous code with a limit, so that it cannot keep a section for ever. */
export async function withTimeout<T>(
  limitMs: number,
  signal: AbortSignal,
  what: string,
  work: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> {
  const limit = new AbortController();
  const both = AbortSignal.any([signal, limit.signal]);
  // Its event is past, and nobody would hear it.
  both.throwIfAborted();
  const timer = setTimeout(() => limit.abort(timedOut(what, limitMs)), limitMs);
  try {
    // Racing, because code that ignores its signal must not be waited for either.
    const aborted = new Promise<never>((_, reject) => {
      both.addEventListener("abort", () => reject(both.reason as Error), { once: true });
    });
    return await Promise.race([Promise.resolve(work(both)), aborted]);
  } finally {
    clearTimeout(timer);
  }
}

function timedOut(what: string, limitMs: number): Error {
  return Object.assign(new Error(`${what} took longer than ${limitMs} ms.`), { code: "ETIMEDOUT" });
}
