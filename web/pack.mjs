// Compresses the planner: `node pack.mjs IN OUT`. The same bytes give the same file.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [from, to] = process.argv.slice(2);
const packed = gzipSync(readFileSync(from), { level: 9 });
// The header names the system that compressed; no page needs to know.
packed[9] = 255;
writeFileSync(to, packed);
console.log(`${to}: ${packed.length} bytes`);
