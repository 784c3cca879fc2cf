// What a process holds, as Linux tells it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/// Open descriptors of the process `pid`.
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

const kilobytes = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);

/// Resident memory of the process `pid`, in bytes.
export const resident_bytes = (pid) => 1024 * kilobytes(pid, "VmRSS");

/// The most that was resident, in bytes, since `forget_peak`.
export const peak_bytes = (pid) => 1024 * kilobytes(pid, "VmHWM");
export const forget_peak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, "5");
