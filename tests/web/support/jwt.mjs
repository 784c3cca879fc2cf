// JSON Web Tokens, made by node alone.
import { createHmac } from "node:crypto";

const base64url = (part) => Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");

/// Seconds since 1970, `later` seconds from now.
export const seconds = (later = 0) => Math.floor(Date.now() / 1000) + later;

/// A token with these claims, signed with `secret`. Header and claims may be JSON text, `hash` any that node has; without
/// one the signature is empty.
export function token(secret, claims, header = { alg: "HS256", typ: "JWT" }, hash = "sha256") {
  const text = base64url(header) + "." + base64url(claims);
  return text + "." + (hash ? createHmac(hash, secret).update(text).digest("base64url") : "");
}
