// Nginx: gateways behind nginx with docker/nginx.conf, as test/e2e/lib/front.mjs has them behind haproxy. Always with TLS.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Balancing } from "../../e2e/lib/front.mjs";
import { keep } from "../../e2e/lib/keeper.mjs";
import { pathOf } from "./script.mjs";

export class Nginx extends Balancing {
    static open(gateways) {
        return new Nginx().begin(gateways, { tls: true });
    }

    get requests() {
        return ["access.log", "error.log"].map((name) => readFileSync(join(this.directory, name), "utf8")).join("");
    }

    spawn() {
        const [file, pid] = [join(this.directory, "nginx.conf"), join(this.directory, "nginx.pid")];
        const addresses = ["--bind", `${this.host}:${this.plainPort}`, "--tls", `${this.host}:${this.port}`];
        const files = ["--certificate", join(this.directory, "gateway.pem"), "--dir", this.directory];
        const { status, stdout, stderr } = spawnSync(pathOf("scripts/nginx-config"), [...addresses, ...files, ...this.addresses], {
            encoding: "utf8",
        });
        assert.equal(status, 0, `nginx-config: ${stderr}`);
        writeFileSync(file, stdout);
        const globals = `daemon off; pid ${pid}; error_log stderr;`;
        return keep("nginx", ["-p", this.directory, "-e", "stderr", "-c", file, "-g", globals], { stdio: ["ignore", "pipe", "pipe"] });
    }
}
