/** `npm run bench`: see docs/bench.md. */
import { bench } from "../bench/main.ts";

await bench(process.argv.slice(2));
