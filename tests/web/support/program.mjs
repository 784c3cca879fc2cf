// Child processes that end with the test, whatever happens to it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { until, within } from "./until.mjs";

const running = new Set();
const end_all = () => running.forEach((child) => child.kill("SIGKILL"));
process.on("exit", end_all);
// After the last test of the file: a client of a program that still runs would keep this one waiting for its time-out.
after(end_all);
// Without these a test that ctest ends for its time-out would leave its programs behind.
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(1));

/// Starts `command`. The result collects `stdout` and `stderr` as text and has `stop(signal)`, which waits for the end
/// and returns the exit status, or the signal that ended the process.
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const program = { pid: child.pid, stdout: "", stderr: "", ended: undefined };
  const closed = once(child, "close").catch((error) => [error.message]);
  running.add(child);
  // A test that failed before it could stop the program still ends, and the program with it.
  for (const handle of [child, child.stdout, child.stderr]) handle.unref();
  child.stdout.setEncoding("utf8").on("data", (text) => (program.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (program.stderr += text));
  program.exit = closed.then(([status, signal]) => {
    running.delete(child);
    program.ended = status ?? signal;
    return program.ended;
  });
  program.stop = async (signal = "SIGTERM") => {
    if (program.ended === undefined) child.kill(signal);
    return within(`the end of ${command}`, program.exit);
  };
  /// Waits until the process has printed what `pattern` matches, and returns the match.
  program.printed = (pattern, stream = "stdout") =>
    until(`${command} to print ${pattern}`, () => {
      const found = pattern.exec(program[stream]);
      if (!found && program.ended !== undefined) {
        throw new Error(`${command} ended with ${program.ended}: ${program.stderr}`);
      }
      return found;
    });
  return program;
}
