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
  const stop = Promise.withResolvers<never>();
  const abort = (): void => stop.reject(both.reason as Error);
  both.addEventListener("abort", abort, { once: true });
  try {
    // Racing, because code that ignores its signal must not be waited for either.
    return await Promise.race([Promise.resolve(work(both)), stop.promise]);
  } finally {
    clearTimeout(timer);
    // A signal that somebody listens to is never collected, and with it what the work came to.
    both.removeEventListener("abort", abort);
  }
}

/** Goes on after the limit, whatever becomes of the work; false where it was not done. */
export async function atMost(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    clearTimeout(timer);
  }
}

function timedOut(what: string, limitMs: number): Error {
  return Object.assign(new Error(`${what} took longer than ${limitMs} ms.`), { code: "ETIMEDOUT" });
}
