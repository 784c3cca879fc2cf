// Chromium, driven by playwright-core, with a profile that is thrown away.
import { existsSync } from "node:fs";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/// Starts the browser; `options` are more of playwright's. A machine without one fails the test: a skipped browser test would look like a passed one.
export async function launch_browser(options = {}) {
  if (!existsSync(executablePath)) throw new Error(`no browser at ${executablePath}: install chromium, or set CHROMIUM`);
  const { chromium } = await import("playwright-core").catch((error) => {
    throw new Error("playwright-core is missing: run `npm ci` in tests/web", { cause: error });
  });
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  return chromium.launch({
    executablePath,
    chromiumSandbox: false,
    ...options,
    args: [...quiet, "--disable-component-update", "--disable-sync", ...(options.args ?? [])],
  });
}
