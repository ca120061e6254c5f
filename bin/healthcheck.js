#!/usr/bin/env node
/**
 * What a container's health check runs, since the image has no curl: `healthcheck.js [/readyz]` asks the process beside it
 * and ends with 0 where the answer is 200. A whole address may be given as well.
 */
const [path = "/readyz"] = process.argv.slice(2);
const url = new URL(path, `http://127.0.0.1:${process.env.PORT || 3000}`);
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  console.log(`${response.status} ${(await response.text()).slice(0, 500)}`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  console.log(`${url} does not answer: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
