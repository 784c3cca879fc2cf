// The thread of a Bystander: tells what each event took, in ms, until it is told to stop.
import { parentPort, workerData } from "node:worker_threads";
import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "../../conduct/connection.mjs";
import { hub_at } from "./hub.mjs";

const hub = hub_at(workerData.url, workerData.ca);
let going = true;
parentPort.once("message", () => (going = false)); // nothing else is said

const stream = await Connection.open(hub.port, { ca: hub.ca });
stream.send("GET /sse/subscribe/bystander HTTP/1.0\r\n\r\n");
await stream.take_until("event: connected\n");
for (let number = 1; going; ++number) {
  const start = performance.now();
  await hub.send("/sse/send/bystander", `<${number}>`);
  await stream.take_until(`data: <${number}>\n`);
  parentPort.postMessage(performance.now() - start);
  await pause(5);
}
stream.destroy();
