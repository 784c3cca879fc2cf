// What a process holds, as Linux tells it.
import { readdirSync, readFileSync } from "node:fs";

/// Open descriptors of the process `pid`.
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/// Resident memory of the process `pid`, in bytes.
export function resident_bytes(pid) {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
}
