// Links from code in the text, `Emitter::send` or `EventStream`, to what the reference says of it.
import { readFileSync } from "node:fs";

/// From a name, with and without its namespace, to its address; `file` is Doxygen's tag file.
export function names_of(file) {
  const names = new Map();
  const add = (name, address) => {
    const short = name.replace(/^spate::/, "");
    for (const each of [short, `spate::${short}`]) if (!names.has(each)) names.set(each, address);
  };
  for (const [, kind, compound] of readFileSync(file, "utf8").matchAll(/<compound kind="(\w+)"[^>]*>([^]*?)<\/compound>/g)) {
    const of = (text, tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1];
    const owner = of(compound, "name");
    if (kind === "class" || kind === "struct") add(owner, of(compound, "filename"));
    if (!["class", "struct", "namespace"].includes(kind)) continue;
    for (const [, member] of compound.matchAll(/<member [^>]*>([^]*?)<\/member>/g)) {
      const name = `${kind === "namespace" ? "" : owner + "::"}${of(member, "name")}`;
      add(name, `${of(member, "anchorfile")}#${of(member, "anchor")}`);
      for (const [, place, anchor, value] of member.matchAll(/<enumvalue file="([^"]*)" anchor="([^"]*)">(\w+)</g)) {
        add(`${name}::${value}`, `${place}#${anchor}`);
      }
    }
  }
  return names;
}

/// `html` with links where a code span is one of `names`, but for those to the page itself.
export function with_links(html, names, page) {
  return html.replace(/<code>([\w:]+)(\([^<()]*\))?<\/code>/g, (whole, name, call = "", at) => {
    const address = names.get(name);
    const inside_link = html.lastIndexOf("<a ", at) > html.lastIndexOf("</a>", at);
    // A single lower-case word is more often a word than a function.
    if (!address || address.startsWith(page + "#") || address === page || inside_link || !/[A-Z:]/.test(name)) return whole;
    return `<a href="${address}"><code>${name}${call}</code></a>`;
  });
}
