// Runs one of the clients from npm as a process, which prints each event as a line of JSON: whom it trusts is said by
// NODE_EXTRA_CA_CERTS, which is read when the process starts.
//
//   NODE_EXTRA_CA_CERTS=authority.pem node npm_client.mjs eventsource https://localhost:8443/sse/subscribe/alice
import { clients } from "./npm_clients.mjs";

const [name, url] = process.argv.slice(2);
await clients[name](url, (event) => console.log(JSON.stringify(event)));
