// Builds page.js, page.css and the hashes that the content policy names, into `dist` or the folder given.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";

const out = process.argv[2] ?? "dist";
mkdirSync(out, { recursive: true });

const usual = { bundle: true, minify: true, write: false, target: "es2022", charset: "ascii", legalComments: "none" };

// The worker is a text in the script: a page that is one file has nowhere else to load it from.
const worker = await build({ ...usual, entryPoints: ["src/worker.ts"], format: "iife" });
const script = await build({
  ...usual,
  entryPoints: ["src/main.tsx"],
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { WORKER_SOURCE: JSON.stringify(worker.outputFiles[0].text) },
});
const style = await build({ ...usual, entryPoints: ["src/style.css"] });

const hash = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`;
const [js, css] = [script.outputFiles[0].text, style.outputFiles[0].text];
writeFileSync(`${out}/page.js`, js);
writeFileSync(`${out}/page.css`, css);
writeFileSync(`${out}/hashes.txt`, `${hash(js)}\n${hash(css)}\n`);
