// Builds the site of the documents: BUILD/site.
//
//   node build.mjs SOURCE BUILD [PICTURES]
//
// SOURCE is the repository, PICTURES a folder with what pictures.mjs made. Exits with 1, and says why, when Doxygen
// warns, a link leads nowhere, or something public is not described.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { check_site } from "./check.mjs";
import { header_for_doxygen } from "./headers.mjs";
import { names_of, with_links } from "./names.mjs";
import { depth_of, page_of, Pages, source_page, source_page_of } from "./pages.mjs";

const [source, build, pictures] = process.argv.slice(2).map((path) => resolve(path));
const here = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname);
const input = join(build, "input");
const site = join(build, "site");
const template = (name) => readFileSync(join(here, name), "utf8");
for (const folder of [input, site]) rmSync(folder, { recursive: true, force: true });

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function public_headers(folder) {
  return readdirSync(join(source, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["detail", "impl", "guides"].includes(entry.name) ? [] : public_headers(path);
    return entry.name.endsWith(".hpp") && !entry.name.endsWith("src.hpp") ? [path] : [];
  });
}

const namespaces = new Set(["spate"]);
for (const path of public_headers("include/spate")) {
  const text = readFileSync(join(source, path), "utf8");
  write(join(input, path), header_for_doxygen(path, text));
  for (const [, name] of text.matchAll(/^namespace (\w+) \{$/gm)) {
    if (name !== "spate" && name !== "detail") namespaces.add("spate::" + name);
  }
}
const pages = new Pages(source);
for (const path of pages.files.keys()) {
  const text = pages.for_doxygen(path, (name) => pictures && existsSync(join(pictures, `${name}.png`)));
  write(join(input, "pages", `${page_of(path)}.md`), text);
}

// Only of one that is described is there a page.
const beside = [...namespaces].map((name) => `/// @namespace ${name}\n/// What stands beside the classes.\n`);
write(join(input, "namespaces.dox"), beside.join("\n"));

const version = /SPATE_VERSION_STRING "(.*)"/.exec(readFileSync(join(source, "include/spate/version.hpp"), "utf8"))[1];
const values = { version, input, output: build, here };
const doxyfile = template("Doxyfile.in").replace(/@(\w+)@/g, (_, name) => values[name]);
write(join(build, "Doxyfile"), doxyfile);
const doxygen = spawnSync("doxygen", [join(build, "Doxyfile")], { encoding: "utf8" });
if (doxygen.error || doxygen.status !== 0) {
  console.error(`doxygen failed: ${doxygen.error?.message ?? doxygen.stderr}`);
  process.exit(1);
}
// Types are described. What else is not is what its name says: sizes, copies, comparisons.
const warnings = readFileSync(join(build, "warnings"), "utf8")
  .replaceAll(input + "/", "")
  .split("\n")
  .filter((line) => !/\((function|variable|macro definition|typedef)\) of .* is not documented\.$/.test(line) && line !== "");

// Files that are linked to, each on a page of its own.
const written = new Set();
for (const queue = [...pages.shown]; queue.length > 0; ) {
  const path = queue.pop();
  const { title, body, more } = source_page(source, path);
  const page = source_page_of(path, more.length > 0);
  if (written.has(page)) continue;
  written.add(page);
  queue.push(...more);
  const values = { title, projectname: "Spate", projectnumber: version, "relpath^": depth_of(page) };
  values.stylesheet = "site.css";
  const head = template("header.html").replace(/\$(relpath\^|\w+)/g, (_, name) => values[name]);
  write(join(site, page), `${head}</div>\n<h1>${title}</h1>\n${body}\n${template("footer.html")}`);
}
if (pictures) cpSync(pictures, join(site, "pictures"), { recursive: true });

// What no page uses goes, and what remains is made plainer.
const names = names_of(join(build, "names.xml"));
for (const name of readdirSync(site)) {
  const file = join(site, name);
  if (/\.(js|svg|png)$|-members\.html$|^(tabs|doxygen)\.css$/.test(name)) rmSync(file);
  if (!name.endsWith(".html") || !existsSync(file)) continue;
  const html = readFileSync(file, "utf8")
    .replace(/<div class="ttc"[^\n]*<\/div>\n/g, "")
    .replace(/(<a name="details" id="details"><\/a>)<h2 class="groupheader">[^<]*<\/h2>/, "$1")
    .replace(/^ *<div class="summary">[^]*?<\/div>/m, "")
    .replace(/([\w:]+) Namespace Reference/g, "Functions, enumerations and types of $1")
    .replace(/&#160;(<\/td><td class="mem(Item|Templ))/g, "$1");
  writeFileSync(file, with_links(html, names, name));
}

// With pictures, all of them are there.
const missing = pictures ? [...pages.pictures].filter((name) => !existsSync(join(pictures, `${name}.png`))) : [];
const errors = [...warnings, ...pages.errors, ...missing.map((name) => `there is no picture ${name}`), ...check_site(site)];
if (errors.length > 0) {
  const most = 50;
  console.error(errors.slice(0, most).join("\n"));
  if (errors.length > most) console.error(`... and ${errors.length - most} more`);
  process.exit(1);
}
console.log(join(site, "index.html"));
