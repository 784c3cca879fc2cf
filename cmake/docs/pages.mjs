// Makes pages of the site of the project's Markdown, which is written to be read at its place in the repository.
//
// Every relative link is followed: to another Markdown file it becomes one to its page, to anything else one to a page
// that shows that file. One that leads nowhere, in the repository or to a heading, is an error.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { for_doxygen } from "./code_span.mjs";

const ignored = new Set(["node_modules", "build", ".git"]);

/// All Markdown files below `folder`, by their path in it.
export function markdown_files(folder, under = "") {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = join(under, entry.name);
    if (entry.isDirectory()) return ignored.has(entry.name) ? [] : markdown_files(folder, path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/// The name of the page, without .html.
export function page_of(path) {
  if (path === "README.md") return "index";
  const guide = /^include\/spate\/guides\/(.*)\.md$/.exec(path);
  if (guide) return guide[1] === "README" ? "guides" : `guide_${guide[1]}`;
  return path.replace(/^\.github\/|\/README\.md$|\.md$/g, "").replace(/[^A-Za-z0-9]+/g, "_").toLowerCase();
}

/// What GitHub makes of a heading: the part of an address after #.
export const slug_of = (heading) =>
  heading.replace(/[`*]|\]\([^)]*\)/g, "").toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").trim().replace(/ /g, "-");

/// Calls `line(text)` for each line that is not inside a block of code, and joins what it returns.
function outside_code(text, line) {
  let fence = null;
  return text
    .split("\n")
    .map((each) => {
      const found = /^ *(```|~~~)/.exec(each);
      if (found && (fence === null || fence === found[1])) {
        fence = fence === null ? found[1] : null;
        return each;
      }
      return fence === null ? line(each) : each;
    })
    .join("\n");
}

/// The headings of a Markdown text, as addresses.
export function slugs_of(text) {
  const slugs = new Set();
  outside_code(text, (line) => {
    const heading = /^#+ (.*)$/.exec(line);
    if (heading) slugs.add(slug_of(heading[1]));
    return line;
  });
  return slugs;
}

export class Pages {
  constructor(source) {
    this.source = source;
    this.files = new Map(markdown_files(source).map((path) => [path, readFileSync(join(source, path), "utf8")]));
    this.slugs = new Map([...this.files].map(([path, text]) => [path, slugs_of(text)]));
    /// Files that are no Markdown and are linked to: each needs a page.
    this.shown = new Set();
    /// Pictures that the pages show.
    this.pictures = new Set();
    this.errors = [];
  }

  /// The Markdown of `path` as Doxygen has to read it.
  for_doxygen(path, has_picture = () => false) {
    const page = page_of(path);
    let titled = false;
    return outside_code(this.files.get(path), (line) => {
      const heading = /^(#+) (.*)$/.exec(line);
      if (heading) {
        if (!titled && page !== "index") {
          titled = true;
          return `${line} {#${page}}`;
        }
        titled = true;
        return `${heading[1]} ${this.inline_(path, heading[2])} {#${page}-${slug_of(heading[2])}}`;
      }
      const picture = /^<!-- picture: (\S+) (.*) -->$/.exec(line);
      if (picture) {
        const [, name, words] = picture;
        this.pictures.add(name);
        return has_picture(name) ? `<img src="pictures/${name}.png" alt="${words}" width="100%"/>\n` : "";
      }
      return this.inline_(path, line);
    });
  }

  inline_(path, line) {
    // Every second part is code, and stays as it is.
    const parts = line.split(/(`+[^`]+`+)/);
    const made = parts
      .map((part, index) => (index % 2 === 1 ? for_doxygen(part.replace(/^`+ ?| ?`+$/g, "")) : part.replace(/@/g, "\\@")))
      .join("")
      .replace(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)/g, (_, words, target) => {
        return `<a href="${this.address_(path, target.replace(/\\@/g, "@"))}">${words}</a>`;
      });
    const text = parts.filter((_, index) => index % 2 === 0).join("code");
    // Code and links are looked for line by line.
    if (text.includes("`") || /^[^[]*\]\(|\[[^\]]*$/.test(text)) this.errors.push(`${path}: not closed in its line: ${line}`);
    return made;
  }

  address_(path, target) {
    if (/^(https?|mailto):/.test(target)) {
      try {
        return new URL(target).href;
      } catch {
        this.errors.push(`${path}: ${target} is no address`);
        return target;
      }
    }
    const [file, anchor] = target.split("#");
    const wanted = file === "" ? path : relative("", join(dirname(path), file));
    if (!existsSync(join(this.source, wanted))) {
      this.errors.push(`${path}: there is no ${wanted} (${target})`);
      return target;
    }
    if (this.files.has(wanted)) {
      if (anchor !== undefined && !this.slugs.get(wanted).has(anchor)) {
        this.errors.push(`${path}: ${wanted} has no heading #${anchor}`);
      }
      const page = page_of(wanted);
      return `${page}.html${anchor === undefined ? "" : `#${page}-${anchor}`}`;
    }
    this.shown.add(wanted);
    return source_page_of(wanted, statSync(join(this.source, wanted)).isDirectory());
  }
}

/// Where a file of the repository is shown, or a folder listed.
export const source_page_of = (path, is_folder = false) => `source/${path}${is_folder ? "/index" : ""}.html`;

const escaped = (text) => text.replace(/[&<>]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[letter]);

/// The page that shows `path`, and the paths that it links to.
export function source_page(source, path) {
  const whole = join(source, path);
  if (statSync(whole).isDirectory()) {
    const names = readdirSync(whole).filter((name) => statSync(join(whole, name)).isFile()).sort();
    const items = names.map((name) => `<li><a href="${escaped(name)}.html">${escaped(name)}</a></li>`);
    return { title: path, body: `<ul>\n${items.join("\n")}\n</ul>`, more: names.map((name) => join(path, name)) };
  }
  return { title: path, body: `<pre class="fragment">${escaped(readFileSync(whole, "utf8"))}</pre>`, more: [] };
}

export const depth_of = (page) => "../".repeat(page.split("/").length - 1);
