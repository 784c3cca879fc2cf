// Where a hub keeps its history: in memory and, where SQLite is built in, in a file. SQLITE=0 says that it is not.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const has_sqlite = process.env.SQLITE !== "0";

/// Files in it go with the test.
export const folder = mkdtempSync(join(tmpdir(), "spate-history-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let files = 0;
export const new_file = () => join(folder, `${++files}.db`);

/// What a hub's command line says for each, anew whenever it is asked.
export const stores = { memory: () => [] };
if (has_sqlite) stores["a file"] = () => ["--history", new_file(), "--history-sync", "normal"];
