// What the guides show of a terminal is what happens: the commands of their ```console blocks are run, with the example
// that `<!-- serves: NAME -->` names, and print what stands below them. `…` stands for any text.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { start } from "./support/program.mjs";
import { until, within } from "./support/until.mjs";

const guides = new URL("../../include/spate/guides/", import.meta.url);

/// The commands of a guide, each with what it prints.
function commands_of(text) {
  const blocks = [...text.matchAll(/^```console\n([^]*?)^```$/gm)];
  return blocks.flatMap(([, block]) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command, ...printed] = part.trimEnd().split("\n");
        return { command, printed: printed.join("\n") };
      }),
  );
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
// A stream goes on after what is shown of it; any other output is all that there is.
const pattern_of = (printed, whole) =>
  new RegExp("^" + printed.split("…").map(escaped).join("[^\\n]+") + (whole ? "\\s*$" : ""));

describe("the commands of the guides", { timeout: 120_000 }, () => {
  const shown = readdirSync(guides)
    .map((name) => [name, readFileSync(new URL(name, guides), "utf8")])
    .filter(([, text]) => /^```console$/m.test(text));

  test("there are some, and each guide says what serves them", () => {
    assert.ok(shown.length >= 2);
    for (const [name, text] of shown) assert.match(text, /^<!-- serves: \w+ -->$/m, name);
  });

  for (const [name, text] of shown) {
    test(name, async () => {
      const [, example] = /^<!-- serves: (\w+) -->$/m.exec(text);
      const program = start(join(process.env.EXAMPLES, example), ["--port", "0"]);
      const [, url] = await program.printed(/^listening on (http:\S+)\n/);
      const streams = [];
      try {
        for (const { command, printed } of commands_of(text)) {
          assert.ok(command.includes("http://127.0.0.1:8080/"), command);
          const is_stream = command.startsWith("curl -N ");
          const run = start("bash", ["-c", "exec " + command.replace("curl ", "curl -sS ").replace("http://127.0.0.1:8080", url)]);
          if (is_stream) {
            streams.push({ command, run, printed });
            await until(`${command} to begin`, () => run.stdout.includes("\n"));
            continue;
          }
          await within(`the end of ${command}`, run.exit);
          assert.match(run.stdout, pattern_of(printed, true), command);
        }
        for (const { command, run, printed } of streams) {
          const wanted = pattern_of(printed, false);
          await until(`${command} to print ${wanted} and not ${run.stdout}`, () => wanted.test(run.stdout));
        }
      } finally {
        for (const { run } of streams) await run.stop();
        await program.stop();
      }
    });
  }
});
