// Builds the page into build/dashboard/, and beside it the headers that its files are served with.
//
//   node dashboard/build.mjs [FOLDER]
//
// The same sources give the same bytes. Names of assets hold the hash of what is in them, so they
// may be kept for ever; `index.html` names them, with their hashes (Subresource Integrity).

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

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
    jsx: "transform", // smaller than "automatic"
    jsxFactory: "h",
    jsxFragment: "Fragment",
    inject: entry.endsWith(".tsx") ? ["jsx.ts"] : [],
    tsconfigRaw: {}, // which has another `jsx`, for who checks types
    legalComments: "none",
    define,
    write: false,
    logLevel: "warning",
  });
  return Promise.all(built.outputFiles.map(small));
}

/** What esbuild leaves, terser makes a twentieth smaller. To read a signal has an effect: no getter is pure. */
async function small({ path, contents, text }) {
  if (!path.endsWith(".js")) return { path, contents };
  const compress = { passes: 3, pure_getters: false, unsafe_arrows: true, lhs_constants: false };
  const options = { module: true, ecma: 2022, compress };
  const { code } = await minify(text, options);
  return { path: named(path, code), contents: Buffer.from(code) };
}

/** A name with the hash of what is in the file. */
function named(path, contents) {
  const [stem] = basename(path).split(/[-.]/);
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 8);
  return join(dirname(path), `${stem}-${hash}${extname(path)}`);
}

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

async function write(file) {
  await writeFile(join(assets, basename(file.path)), file.contents);
  return { url: `/assets/${basename(file.path)}`, integrity: digest(file.contents) };
}

async function copy(name) {
  const contents = await readFile(join(here, "src", name));
  return write({ path: named(name, contents), contents });
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
