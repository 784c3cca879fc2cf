// Certificates made by openssl, in a folder that is thrown away.
//
//   const authority = new Authority();
//   const { certificate, key } = authority.issue("first"); // files; the certificate with the one that issued it
//   https.get(url, { ca: authority.pem });
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const configuration = `
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:false
subjectAltName = DNS:localhost, DNS:hub.example.test, DNS:events.example.com, IP:127.0.0.1, IP:::1
`;

/// One that nobody knows but who is told. It signs nothing but the certificate of an intermediate, which signs the rest.
export class Authority {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "spate-certificates-"));
    process.on("exit", () => rmSync(this.folder, { recursive: true, force: true }));
    writeFileSync(this.path("openssl.cnf"), configuration);
    this.root = this.make_("root", "authority");
    this.intermediate = this.make_("intermediate", "authority", this.root);
    /// The file for those who are to trust it, and its text.
    this.file = this.root.certificate;
    this.pem = readFileSync(this.file, "utf8");
  }

  path(name) {
    return join(this.folder, name);
  }

  /// A certificate for this machine, followed by that of its issuer.
  issue(name) {
    const issued = this.make_(name, "server", this.intermediate);
    const chain = readFileSync(issued.certificate, "utf8") + readFileSync(this.intermediate.certificate, "utf8");
    writeFileSync(issued.certificate, chain);
    return { ...issued, fingerprint: new X509Certificate(chain).fingerprint256 };
  }

  make_(name, kind, issuer) {
    const made = { certificate: this.path(`${name}.pem`), key: this.path(`${name}.key.pem`) };
    const signed_by = issuer ? ["-CA", issuer.certificate, "-CAkey", issuer.key] : [];
    const kind_of_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", made.key];
    const what = ["-config", this.path("openssl.cnf"), "-extensions", kind, "-subj", `/CN=${name}`, "-days", "2"];
    openssl("req", "-x509", ...kind_of_key, "-out", made.certificate, ...what, ...signed_by);
    return made;
  }
}

export function openssl(...options) {
  return execFileSync("openssl", options, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
