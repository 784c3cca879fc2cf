// Whether every link of the site leads to a file of it, and to a place in that file.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const html_files = (folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));

const unescaped = (text) => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'");

export function check_site(site) {
  const errors = [];
  const ids = new Map();
  const ids_of = (file) => {
    if (!ids.has(file)) {
      const text = readFileSync(join(site, file), "utf8");
      ids.set(file, new Set([...text.matchAll(/\b(?:id|name)="([^"]*)"/g)].map(([, id]) => id)));
    }
    return ids.get(file);
  };
  for (const file of html_files(site)) {
    const text = readFileSync(join(site, file), "utf8").replace(/<!--[^]*?-->/g, "");
    for (const [, written] of text.matchAll(/<[^>]*?\s(?:href|src)="([^"]*)"/g)) {
      const target = unescaped(written);
      if (/^[a-z]+:/.test(target)) {
        if (!/^(https?:\/\/[\w.-]+(:\d+)?(\/|$)|mailto:\S+@\S+$)/.test(target)) errors.push(`${file}: ${target} is no address`);
        continue;
      }
      const [path, anchor] = target.split("#");
      const wanted = path === "" ? file : join(dirname(file), decodeURIComponent(path));
      if (!existsSync(join(site, wanted))) errors.push(`${file}: there is no ${wanted}`);
      else if (anchor && !ids_of(wanted).has(decodeURIComponent(anchor))) errors.push(`${file}: ${wanted} has no #${anchor}`);
    }
  }
  return errors;
}
