// A request over HTTP/1.1, in the clear or over TLS; fetch() cannot be told whom to trust.
//
//   const { status, text } = await ask("https://localhost:8443/healthz", { ca: authority.pem });
import http from "node:http";
import https from "node:https";
import { once } from "node:events";

/// Each request has a connection of its own. Returns `{status, headers, text, json()}`.
export async function ask(url, { method = "GET", headers = {}, body, ca, ...options } = {}) {
  const request = (url.startsWith("https:") ? https : http).request(url, { method, headers, ca, agent: false, ...options });
  request.end(body);
  const [response] = await once(request, "response");
  let text = "";
  for await (const piece of response.setEncoding("utf8")) text += piece;
  return { status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) };
}
