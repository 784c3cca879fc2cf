// Waiting for a condition, never for a time.
//
//   await until("bob to be online", async () => (await hub.users()).includes("bob"));
import { setTimeout as pause } from "node:timers/promises";

// Enough for a slow machine and a program under a sanitizer; a test that passes does not wait for it.
export const DEADLINE_MS = 15_000;
const LOOK_MS = 5;

/// The first truthy value of `condition`, looked at again and again; throws when there is none in time.
export async function until(what, condition, deadline_ms = DEADLINE_MS) {
  const end = performance.now() + deadline_ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${deadline_ms} ms in vain for ${what}`);
    await pause(LOOK_MS);
  }
}

/// `promise`, or an error that says what it was to be.
export async function within(what, promise, deadline_ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadline_ms} ms in vain for ${what}`)), deadline_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
