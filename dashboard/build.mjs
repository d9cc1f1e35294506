// Builds the page into build/dashboard/, and beside it the headers that its files are served with.
//
//   node dashboard/build.mjs [FOLDER]
//
// The same sources give the same bytes. Names of assets hold the hash of what is in them, so they
// may be kept for ever; `index.html` names them, with their hashes (Subresource Integrity).

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../build/dashboard");
const assets = join(out, "assets");

const digest = (bytes) => `sha256-${createHash("sha256").update(bytes).digest("base64")}`;

async function bundle(entry, define = {}) {
  const built = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    outdir: assets,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    define,
    write: false,
    logLevel: "warning",
  });
  return built.outputFiles;
}

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

async function write(file) {
  await writeFile(join(assets, basename(file.path)), file.contents);
  return { url: `/assets/${basename(file.path)}`, integrity: digest(file.contents) };
}

async function copy(name) {
  const contents = await readFile(join(here, "src", name));
  const [stem, extension] = name.split(".");
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 8);
  return write({ path: `${stem}-${hash}.${extension}`, contents });
}

const [verifier] = await bundle("src/verify/worker.ts");
const worker = await write(verifier);
const icon = await copy("icon.svg");
const [script] = await Promise.all(
  (await bundle("src/main.tsx", { WORKER_URL: JSON.stringify(worker.url) })).map(write),
);
const [style] = await Promise.all((await bundle("src/styles/main.css")).map(write));

const page = (await readFile(join(here, "src/index.html"), "utf8"))
  .replaceAll("{script}", `src="${script.url}" integrity="${script.integrity}"`)
  .replaceAll("{style}", `href="${style.url}" integrity="${style.integrity}"`)
  .replaceAll("{icon}", icon.url);

const policy = [
  "default-src 'none'",
  `script-src '${script.integrity}'`,
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types tocsin",
].join("; ");
const headers = {
  "Content-Security-Policy": policy,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};
await writeFile(`${out}-headers.json`, `${JSON.stringify(headers, null, 2)}\n`);
await writeFile(join(out, "index.html"), page); // the last: while it is missing, nothing is built
