// How a process is told what to do, and how it complains: flags, their twins in the environment, exit codes.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { Gateway, runOnce } from "./lib/gateway.mjs";
import { removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { Player } from "./lib/player.mjs";
import { newTrack, NO_STATE, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";
import { keyPair, SECRET, tokenOf } from "./lib/token.mjs";

// Every flag that takes a value, with the default that --help must show.
const FLAGS = {
    listen: "0.0.0.0:8080",
    "admin-listen": "127.0.0.1:9090",
    redis: "redis://127.0.0.1:6379",
    "redis-ca": null,
    "redis-cert": null,
    "redis-key": null,
    "redis-prefix": "segue:",
    "jwt-secret": null,
    "jwt-key": null,
    "jwt-issuer": null,
    "jwt-audience": null,
    "jwt-user-claim": null,
    "token-cookie": "token",
    "token-header": null,
    "api-key": null,
    origins: "*",
    anonymous: "chat,feed",
    "trusted-proxies": null,
    "max-message": "16384",
    "max-batch": "1048576",
    "max-queue": "262144",
    rate: "50",
    burst: "100",
    "connect-timeout": "10000",
    "max-connections": null,
    "orphan-grace": "30",
    "ping-interval": "25000",
    "ping-timeout": "20000",
    drain: "10",
    "connect-rate": "0",
    "user-connections": "0",
    "user-rate": "0",
    "address-connections": "0",
    "address-rate": "0",
    "auth-failure": "event",
    recovery: "ask",
    "livekit-key": null,
    "livekit-secret": null,
    "livekit-url": null,
    feed: null,
    "socketio-adapter": null,
    "log-level": "info",
    "log-format": "text",
};

// Those that take none.
const BARE = ["help", "manual", "man-page", "version", "check-config"];

const twin = (flag) => `SEGUE_${flag.toUpperCase().replaceAll("-", "_")}`;

describe("starting a process", () => {
    const directory = temporaryDirectory();
    after(() => removeDirectory(directory));

    const file = (name, text) => {
        const path = join(directory, name);
        writeFileSync(path, text);
        return path;
    };

    // One clear line on stderr and exit code 2; the line names what was wrong.
    function complains(args, names, env = {}) {
        const run = runOnce(["--check-config", ...args], env);
        const what = `${args.join(" ")} ${JSON.stringify(env)}: ${run.stderr}`;
        assert.equal(run.code, 2, what);
        assert.equal(run.stdout, "", what);
        assert.match(run.stderr, /^[\x20-\x7e]+\n$/, what);
        assert.ok(run.stderr.includes(names), what);
        return run.stderr;
    }

    // Returns the options that it warns of.
    function accepts(args, env = {}, files = 0) {
        const run = runOnce(["--check-config", ...args], env, files);
        const lines = run.stderr.split("\n").slice(0, -1);
        assert.equal(run.code, 0, `${args.join(" ")}: ${run.stderr}`);
        assert.equal(run.stdout, "");
        return lines.map((line) => line.match(/^\S+ warn configuration option=--(\S+) why="[^"]+"$/)?.[1] ?? line);
    }

    test("--help lists every flag with its default and its twin, on stdout, and exits with 0", () => {
        const run = runOnce(["--help"]);
        assert.equal(run.code, 0);
        assert.equal(run.stderr, "");
        for (const [flag, standard] of Object.entries(FLAGS)) {
            const at = run.stdout.search(new RegExp(`^ *--${flag}[ =]`, "m"));
            assert.ok(at >= 0, `--${flag} is listed`);
            const rest = run.stdout.slice(at + 5);
            const next = rest.search(/^ *--/m);
            const entry = next < 0 ? rest : rest.slice(0, next);
            assert.ok(entry.includes(twin(flag)), `${flag}: ${entry}`);
            assert.ok(standard === null || entry.includes(standard), `${flag}: ${entry}`);
        }
        for (const flag of BARE) {
            assert.match(run.stdout, new RegExp(`^ *--${flag}\\b`, "m"));
        }
    });

    test("--help lists no flag that does not exist", () => {
        const listed = [...runOnce(["--help"]).stdout.matchAll(/^ *--([a-z-]+)/gm)].map(([, flag]) => flag);
        const known = [...Object.keys(FLAGS), ...BARE];
        assert.deepEqual(listed.sort(), known.sort());
    });

    test("--version prints the version and exits with 0", () => {
        const run = runOnce(["--version"]);
        assert.equal(run.code, 0);
        assert.match(run.stdout, /^segue \d+\.\d+\.\d+\S*\n$/);
        assert.equal(run.stderr, "");
    });

    test("--check-config accepts a good configuration without Redis, and says nothing", () => {
        const env = { SEGUE_JWT_SECRET: SECRET, SEGUE_API_KEY: "0123456789abcdef" };
        assert.deepEqual(accepts(["--redis", "redis://127.0.0.1:1"], env), []);
        assert.deepEqual(accepts(["--trusted-proxies", "10.0.0.0/8,fd00::/8", "--origins", "https://a.example"], env), []);
        assert.deepEqual(accepts([], { ...env, SEGUE_REDIS: "redis://user:pass@redis.example:6380/5" }), []);
    });

    test("--check-config warns of what is dangerous or of no use, once for each option, and exits with 0", () => {
        const env = { SEGUE_JWT_SECRET: SECRET };
        const warnings = {
            "jwt-secret": [[], ["--jwt-secret", "x".repeat(32)]],
            "api-key": [["--api-key", "0123456789abcdef", "--api-key", "0123456789abcdef"]],
            "livekit-secret": [["--livekit-key", "k", "--livekit-url", "wss://l", "--livekit-secret", "s"]],
            redis: [["--redis", "redis://user:hunter2@h"]],
            "trusted-proxies": [["--trusted-proxies", "10.0.0.0/8,0.0.0.0/0"], ["--trusted-proxies", "::/0"]],
            origins: [["--origins", "https://a.example,null"]],
            "redis-ca": [["--redis", "redis://h", "--redis-ca", "/etc/ssl/certs/ca-certificates.crt"]],
            "max-batch": [["--max-message", "2000", "--max-batch", "1000"]],
            "ping-interval": [["--ping-interval", "60000"]],
        };
        for (const [option, commands] of Object.entries(warnings)) {
            for (const args of commands) {
                assert.deepEqual(accepts(args, args.length ? env : {}), [option], args.join(" "));
            }
        }
        assert.deepEqual(accepts([], { SEGUE_JWT_SECRET: "x".repeat(31) }), ["jwt-secret"]);
        assert.deepEqual(accepts([], { ...env, SEGUE_API_KEY: `${"x".repeat(16)},${"x".repeat(15)}` }), ["api-key"]);
        assert.deepEqual(accepts(["--max-connections", "1000"], env, 1000), []);
        assert.deepEqual(accepts(["--max-connections", "1001"], env, 1000), ["max-connections"]);
        assert.deepEqual(accepts(["--jwt-secret", "short"]), ["jwt-secret", "jwt-secret"]);
    });

    test("a variable that is one slip away from an option's is told, another one is somebody else's", () => {
        const slips = { SEGUE_ORIGIN: "SEGUE_ORIGINS", SEGUE_FEEDS: "SEGUE_FEED", SEGUE_RATF: "SEGUE_RATE", SEGEU_REDIS: "SEGUE_REDIS" };
        for (const [name, meant] of Object.entries(slips)) {
            const [line, ...more] = accepts([], { SEGUE_JWT_SECRET: SECRET, [name]: "hunter2" });
            assert.ok(line.endsWith(`warn configuration option=${name} why="no option has this variable: is ${meant} meant?"`), line);
            assert.deepEqual(more, []);
        }
        const others = { SEGUE_PORT: "8080", SEGUE_REDIS_PORT: "1", SEGUE_BIN: "x", SEGUE_: "", S: "", SEGUE_RATE: "5", SEGUE_BURST: "7", SEGUE_ORIGINSES: "x" };
        assert.deepEqual(accepts([], { SEGUE_JWT_SECRET: SECRET, ...others }), []);
    });

    test("--check-config takes every form of an address, a number and a list", () => {
        accepts(["--redis", "redis://127.0.0.1:1", "--jwt-secret", "s"]);
        accepts([], { SEGUE_JWT_SECRET: "s", SEGUE_REDIS: "redis://user:pass@redis.example:6380/5" });
        const more = ["sentinel://h1,h2:1/main", "sentinel://:p@h1/main/1?auth=:q", "cluster://u:p@h1:1,[::1]:2"];
        for (const url of ["unix:///run/redis.sock", "redis://h", "redis://:p@h:1/15", "redis://[::1]:6379", ...more]) {
            accepts(["--redis", url]);
        }
        accepts(["--rate", "0", "--burst", "1", "--orphan-grace", "0", "--drain", "0", "--admin-listen", ""]);
        accepts(["--listen", "[::]:0", "--origins", "https://a.example,http://b:1", "--log-format", "json"]);
        accepts(["--trusted-proxies", "10.0.0.0/8,192.168.1.1,2001:db8::/32", "--log-level", "debug"]);
    });

    test("an unknown flag, or what is no flag, is one line and exit code 2", () => {
        complains(["--bogus"], "--bogus");
        complains(["--bogus", "x"], "--bogus");
        complains(["--rat", "5"], "--rat");
        complains(["--RATE", "5"], "--RATE");
        complains(["--"], "");
        complains(["-x"], "");
        complains(["rate=5"], "");
        complains(["--rate"], "--rate");
        complains(["--jwt-secret"], "--jwt-secret");
    });

    const BAD = {
        listen: [
            "",
            "x",
            "127.0.0.1",
            "127.0.0.1:",
            ":8080x",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "999.0.0.1:80",
            "[::1:80",
        ],
        "admin-listen": ["x", "127.0.0.1:x", "127.0.0.1:70000"],
        redis: [
            "",
            "x",
            "http://127.0.0.1:6379",
            "redis://",
            "redis://h:x",
            "redis://h:6379/x",
            "redis://h:99999",
            "redis://h,i",
            "sentinel://h",
            "cluster://h/1",
            "unix://",
        ],
        "redis-prefix": ["a\nb", "x".repeat(1000)],
        "jwt-secret": [""],
        "jwt-key": ["/nonexistent/key.pem", "kid=/nonexistent/key.pem", directory],
        "trusted-proxies": ["x", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "2001:db8::/129"],
        origins: ["app.example", "ftp//x", "https://"],
        "max-message": ["0", "-1", "x", "1e3", "16k", "1.5", "99999999999999999999"],
        "max-queue": ["0", "-1", "x"],
        rate: ["-1", "x", "1.5", "+5", " 5", "5 ", "0x10", "99999999999999999999"],
        burst: ["0", "-1", "x"],
        "connect-timeout": ["-1", "x"],
        "connect-rate": ["-1", "x", "/s", "5/m", "5 /s", "1000001"],
        "max-connections": ["0", "-1", "x"],
        "user-connections": ["-1", "x", "1.5"],
        "user-rate": ["-1", "x", "1000001"],
        "address-connections": ["-1", "x"],
        "address-rate": ["-1", "x", "/s"],
        "orphan-grace": ["-1", "x", "1.5"],
        "ping-interval": ["0", "-1", "x"],
        "ping-timeout": ["0", "-1", "x"],
        drain: ["-1", "x"],
        "log-level": ["x", "INFO1", "trace "],
        "log-format": ["x", "xml"],
    };
    for (const [flag, values] of Object.entries(BAD)) {
        test(`a bad --${flag} is one line that names it, and exit code 2; so is a bad ${twin(flag)}`, () => {
            for (const value of values) {
                complains([`--${flag}`, value], `--${flag}`);
                if (value !== "") {
                    complains([], twin(flag), { [twin(flag)]: value });
                }
            }
        });
    }

    test("the same happens without --check-config", () => {
        const run = runOnce(["--rate", "x"]);
        assert.equal(run.code, 2);
        assert.match(run.stderr, /^[^\n]*--rate[^\n]*\n$/);
    });

    test("a key file that holds no public key is refused", () => {
        const ed25519 =
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        const good = keyPair("ES256").pem;
        for (const [name, text] of Object.entries({
            "empty.pem": "",
            "text.pem": "hello\n",
            "half.pem": good.slice(0, 60),
            "broken.pem": good.replace(/[A-Z]{3}/, "!!!"),
            "ed25519.pem": ed25519,
            "zero.pem": "\0".repeat(1000),
        })) {
            const path = file(name, text);
            complains(["--jwt-key", path], "--jwt-key");
            complains(["--jwt-key", `kid=${path}`], "--jwt-key");
        }
        accepts(["--jwt-key", file("good.pem", good)]);
        accepts(["--jwt-key", `a=${join(directory, "good.pem")}`, "--jwt-key", `b=${join(directory, "good.pem")}`]);
        accepts([], { SEGUE_JWT_KEY: `a=${join(directory, "good.pem")},b=${join(directory, "good.pem")}` });
        mkdirSync(join(directory, "dir.pem"), { recursive: true });
        complains(["--jwt-key", join(directory, "dir.pem")], "--jwt-key");
    });

    test("a complaint does not show a secret", () => {
        for (const url of [
            "redis://:hunter2secret@h:x",
            "redis://u:hunter2secret@h:6379/x",
            "redos://u:hunter2secret@h",
        ]) {
            assert.doesNotMatch(complains(["--redis", url], "--redis"), /hunter2/);
            assert.doesNotMatch(complains([], "SEGUE_REDIS", { SEGUE_REDIS: url }), /hunter2/);
        }
        assert.doesNotMatch(complains(["--jwt-secret", "hunter2".repeat(1000)], "--jwt-secret"), /hunter2/);
    });

    test("a complaint shows no control bytes of what it complains about", () => {
        complains(["--rate", "\u001b[31mx\nforged line"], "--rate");
        complains(["--bo\u001bgus\n"], "");
    });

    test("a flag wins over its twin, also over a bad one", () => {
        accepts(["--rate", "5"], { SEGUE_RATE: "x" });
        complains(["--rate", "x"], "--rate", { SEGUE_RATE: "5" });
    });

    test("a listener that cannot be had is one clear line and no success", async () => {
        const run = runOnce(["--listen", "203.0.113.7:0", "--admin-listen", ""], { SEGUE_JWT_SECRET: "s" });
        assert.ok(run.code > 0, `${run.code}`);
        assert.match(run.stderr, /^[^\n]*warn configuration option=--jwt-secret[^\n]*\n[^\n]*--listen address=203\.0\.113\.7:0 [^\n]*\n$/);
    });

    describe("twins", () => {
        const site = suiteSite({ gateways: 1 });

        test("a process can be told everything by its environment", async () => {
            const gateway = await Gateway.start({
                flags: { listen: null, "admin-listen": null, drain: null },
                env: {
                    SEGUE_LISTEN: "127.0.0.1:0",
                    SEGUE_ADMIN_LISTEN: "127.0.0.1:0",
                    SEGUE_REDIS: site.redis.url,
                    SEGUE_REDIS_PREFIX: "twins:",
                    SEGUE_JWT_SECRET: SECRET,
                    SEGUE_JWT_USER_CLAIM: "uid",
                    SEGUE_TOKEN_HEADER: "X-One,X-Two",
                    SEGUE_MAX_MESSAGE: "100",
                    SEGUE_DRAIN: "0",
                },
            });
            site.gateways.push(gateway);
            const token = tokenOf("other", { claims: { uid: "by-uid" } });
            const player = await Player.open(gateway, { headers: { "X-Two": token } });
            player.send("x".repeat(101));
            assert.equal((await player.closed()).code, 1009);
            const other = await Player.open(gateway, { headers: { "X-One": token } });
            const keys = await site.redis.call("KEYS", "twins:*");
            const mine = keys.filter((key) => !key.endsWith(":{wisdom}"));
            assert.deepEqual(mine, ["twins:devices:{by-uid}"]);
            await other.close();
        });

        test("it may listen on IPv6", async () => {
            const gateway = await site.addGateway({ listen: "[::1]:0" });
            assert.equal(gateway.host, "::1");
            const player = await site.player(site.user(), gateway);
            await player.hearsNothing();
        });

        test("a flag wins over its twin in a running process", async () => {
            const gateway = await site.addGateway({ "max-message": 300 }, { env: { SEGUE_MAX_MESSAGE: "100" } });
            const player = await site.player(site.user(), gateway);
            await player.refuses("x".repeat(300));
        });
    });

    describe("processes beside each other", () => {
        const site = suiteSite({ gateways: 1 });

        test("may share one port", async () => {
            const second = await site.addGateway({ listen: `127.0.0.1:${site.gateways[0].port}` });
            assert.equal(second.port, site.gateways[0].port);
            const served = new Set();
            for (let i = 0; i < 200 && served.size < 2; i++) {
                const player = await site.player(site.user(), 0);
                for (const gateway of [site.gateways[0], second]) {
                    const connections = (await gateway.metrics()).get("segue_connections", { protocol: "player" });
                    if (connections > 0) {
                        served.add(gateway);
                    }
                }
                await player.hearsNothing();
            }
            assert.equal(served.size, 2, "both take connections");
        });

        test("with different prefixes know nothing of each other, on one Redis", async () => {
            const [one, two] = [
                await site.addGateway({ "redis-prefix": "one:" }),
                await site.addGateway({ "redis-prefix": "two:" }),
            ];
            const user = site.user();
            const [here, there] = [await site.player(user, one), await site.player(user, two)];
            const witness = await site.player(user, one);
            here.send(newTrack(0));
            await witness.receives(newTrack(0));
            await there.hearsNothing();
            assert.deepEqual(await site.stateOf(user, one), state(0, 0));
            assert.deepEqual(await site.stateOf(user, two), NO_STATE);
            assert.ok((await site.redis.call("KEYS", "one:*")).length >= 2);
            for (const key of await site.redis.call("KEYS", "*")) {
                assert.match(key, /^(segue|one|two):/);
            }
        });

        test("each of them may be started anew at any time", async () => {
            const user = site.user();
            for (let i = 0; i < 3; i++) {
                const gateway = await site.addGateway();
                const player = await site.player(user, gateway);
                const witness = await site.player(user, 0);
                player.send(newTrack(i));
                await witness.receives(newTrack(i));
                await witness.close();
                player.terminate();
                assert.equal(await gateway.terminate(), 0);
            }
            assert.deepEqual(await site.stateOf(user, 0), state(2, 0));
        });
    });
});
