/** A certificate authority that nobody trusts until a test says so, and a server's certificate signed by it. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

export interface OwnAuthority {
  /** Files in `dir`. */
  caFile: string;
  keyFile: string;
  certFile: string;
  ca: string;
  key: string;
  cert: string;
}

/** `name` as a certificate has it: `DNS:localhost`, `IP:127.0.0.1`. */
export function makeCertificate(dir: string, name: string): OwnAuthority {
  const openssl = (command: string) =>
    execFileSync("openssl", command.split(" "), { cwd: dir, stdio: "pipe" });
  openssl(`req -x509 ${NEW_KEY} -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem`);
  openssl(`req -new ${NEW_KEY} -subj /CN=server -keyout key.pem -out request.pem`);
  writeFileSync(join(dir, "names.cnf"), `subjectAltName=${name}\n`);
  openssl(
    "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names.cnf -out cert.pem",
  );
  const file = (called: string) => join(dir, called);
  const read = (called: string) => readFileSync(file(called), "utf8");
  return {
    caFile: file("ca.pem"),
    keyFile: file("key.pem"),
    certFile: file("cert.pem"),
    ca: read("ca.pem"),
    key: read("key.pem"),
    cert: read("cert.pem"),
  };
}
