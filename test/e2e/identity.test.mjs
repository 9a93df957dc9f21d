// Who somebody is: every way to bring a token, every kind of key, every refusal.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { removeDirectory, temporaryDirectory } from "./lib/keeper.mjs";
import { patient } from "./lib/patience.mjs";
import { Player } from "./lib/player.mjs";
import { newTrack, NO_STATE, onPause, state } from "./lib/scenario.mjs";
import { suiteSite } from "./lib/site.mjs";
import { base64url, keyPair, mint, SECRET, seconds, tokenOf } from "./lib/token.mjs";

describe("identity", () => {
    const site = suiteSite({ gateways: 2 });

    // The token is taken by the gateway as that user's.
    async function isUser(token, user, gateway = site.gateways[0]) {
        const player = await Player.open(gateway, { token });
        const witness = await site.player(user, 1);
        player.send(newTrack(0));
        await witness.receives(newTrack(0));
        player.terminate();
        await witness.close();
    }

    async function isRefused(token, gateway = site.gateways[0]) {
        const answer = await Player.refused(gateway, { token });
        assertRefusal(answer, String(token).slice(0, 200));
    }

    function assertRefusal(answer, what) {
        assert.equal(answer.status, 401, what);
        assert.match(answer.headers["content-type"], /^application\/json/);
        const body = answer.json();
        assert.equal(body.error, "unauthorized", what);
        assert.equal(typeof body.message, "string", what);
        assert.ok(body.message.length > 0, what);
        assert.deepEqual(Object.keys(body).sort(), ["error", "message"]);
    }

    describe("ways to bring a token", () => {
        test("Authorization: Bearer, with the scheme in any case", async () => {
            for (const scheme of ["Bearer", "bearer", "BEARER"]) {
                const headers = { Authorization: `${scheme} ${tokenOf(site.user())}` };
                const player = await Player.open(site.gateways[0], { headers });
                await player.close();
            }
        });

        test("query token=", async () => {
            const player = await Player.open(site.gateways[0], { query: { token: tokenOf(site.user()) } });
            await player.close();
            const both = await Player.open(site.gateways[0], { query: { extended: 1, token: tokenOf(site.user()) } });
            assert.deepEqual(JSON.parse(both.first).type_push_state, "no_track_state");
            await both.close();
        });

        test("query token= may be percent-encoded", async () => {
            const raw = await site.raw();
            const token = tokenOf(site.user()).replaceAll(".", "%2E").replaceAll("e", "%65");
            await raw.upgrade(`/player?a=b&token=${token}&c=d`);
            assert.deepEqual(JSON.parse(await raw.text()), NO_STATE);
        });

        test("cookie token=, among other cookies", async () => {
            const token = tokenOf(site.user());
            for (const cookie of [`token=${token}`, `a=b; token=${token}; c=d`, `xtoken=no; token=${token}`]) {
                const player = await Player.open(site.gateways[0], { headers: { Cookie: cookie } });
                await player.close();
            }
        });

        // A browser sends cookies whoever asks, so any site could speak as its visitor.
        test("cookie token=, of another site's page: not when --origins lets in everybody", async () => {
            const [gateway] = site.gateways;
            const token = tokenOf(site.user());
            const from = (origin) => ({ headers: { Cookie: `token=${token}`, Origin: origin } });
            for (const origin of ["https://evil.example", "null", `https://${gateway.host}:1`]) {
                assertRefusal(await Player.refused(gateway, from(origin)), origin);
                const answer = await gateway.get("/api/carplay/control", {
                    method: "POST",
                    body: '{"command":"pause"}',
                    ...from(origin),
                });
                assert.equal(answer.status, 401, origin);
                assert.match(answer.json().message, /--origins/);
                const named = { headers: { ...from(origin).headers, Authorization: `Bearer ${token}` } };
                await (await Player.open(gateway, named)).close();
            }
            await (await Player.open(gateway, from(`http://${gateway.host}:${gateway.port}`))).close();
            const strict = await site.addGateway({ origins: "*,https://app.example" });
            await (await Player.open(strict, from("https://app.example"))).close();
            assertRefusal(await Player.refused(strict, from("https://evil.example")));
        });

        test("subprotocols bearer and the token: the server selects bearer", async () => {
            const user = site.user();
            const player = await Player.open(site.gateways[0], { protocols: ["bearer", tokenOf(user)] });
            assert.equal(player.protocol, "bearer");
            const witness = await site.player(user, 1);
            player.send(newTrack(0));
            await witness.receives(newTrack(0));
            player.terminate();
        });

        test("a bad token in any of these places is 401", async () => {
            const bad = `${tokenOf("x").slice(0, -5)}AAAAA`;
            for (const options of [
                { headers: { Authorization: `Bearer ${bad}` } },
                { query: { token: bad } },
                { headers: { Cookie: `token=${bad}` } },
                { protocols: ["bearer", bad] },
            ]) {
                assertRefusal(await Player.refused(site.gateways[0], options), JSON.stringify(options));
            }
        });

        test("no token, an empty one and another scheme are 401", async () => {
            for (const options of [
                {},
                { headers: { Authorization: "Bearer" } },
                { headers: { Authorization: "Bearer " } },
                { headers: { Authorization: `Basic ${Buffer.from("user:pass").toString("base64")}` } },
                { headers: { Authorization: tokenOf("x") } },
                { query: { token: "" } },
                { query: { Token: tokenOf("x") } },
                { headers: { Cookie: "token=" } },
                { headers: { Cookie: `Token=${tokenOf("x")}` } },
                { headers: { Cookie: "token" } },
                { headers: { "X-Token": tokenOf("x") } },
                { protocols: ["bearer"] },
                { protocols: ["chat", "superchat"] },
            ]) {
                assertRefusal(await Player.refused(site.gateways[0], options), JSON.stringify(options));
            }
        });

        describe("of the operator's choice", () => {
            let gateway;
            before(async () => {
                gateway = await site.addGateway({
                    "token-header": ["X-Auth-Token", "X-Other"],
                    "token-cookie": ["session", "sid"],
                });
            });

            test("--token-header names further headers", async () => {
                for (const name of ["X-Auth-Token", "x-auth-token", "X-OTHER"]) {
                    const player = await Player.open(gateway, { headers: { [name]: tokenOf(site.user()) } });
                    await player.close();
                }
                assertRefusal(await Player.refused(gateway, { headers: { "X-Auth-Token": "nonsense" } }));
                assertRefusal(await Player.refused(gateway, { headers: { "X-Third": tokenOf("x") } }));
            });

            test("--token-cookie names further cookies", async () => {
                for (const name of ["session", "sid"]) {
                    const player = await Player.open(gateway, { headers: { Cookie: `${name}=${tokenOf("x")}` } });
                    await player.close();
                }
                assertRefusal(await Player.refused(gateway, { headers: { Cookie: "session=nonsense" } }));
            });

            test("the other ways stay open", async () => {
                const player = await Player.open(gateway, { token: tokenOf("x") });
                await player.close();
            });
        });
    });

    describe("broken tokens", () => {
        const good = () => tokenOf("somebody");
        const parts = () => good().split(".");

        test("what is no token at all is 401", async () => {
            const [head, body, sign] = parts();
            for (const token of [
                "x",
                ".",
                "..",
                "...",
                "a.b.c",
                `${head}.${body}`,
                `${head}.${body}.`,
                `.${body}.${sign}`,
                `${head}..${sign}`,
                `${good()}.`,
                `${good()}.${sign}`,
                `${good()}=`,
                `${good()}A`,
                good().slice(0, -1),
                good().replaceAll(".", ","),
                `${head}.${body}.${sign.slice(0, 10)}`,
                `${base64url("not json")}.${body}.${sign}`,
                `${"A".repeat(7000)}`,
                `${head}.${"A".repeat(6000)}.${sign}`,
                "%00",
            ]) {
                await isRefused(token);
            }
        });

        test("a changed header, claim or signature is 401", async () => {
            const [head, body, sign] = parts();
            const other = base64url({ sub: "somebody-else", exp: seconds(1000) });
            await isRefused(`${head}.${other}.${sign}`);
            await isRefused(`${base64url({ alg: "HS512", typ: "JWT" })}.${body}.${sign}`);
            for (let at = 0; at < sign.length - 1; at += 7) {
                const changed = sign[at] === "A" ? "B" : "A";
                await isRefused(`${head}.${body}.${sign.slice(0, at)}${changed}${sign.slice(at + 1)}`);
            }
        });

        test("signed with another secret is 401", async () => {
            for (const key of ["", "x", `${SECRET}x`, SECRET.slice(0, -1), SECRET.toUpperCase()]) {
                await isRefused(tokenOf("somebody", { key }));
            }
        });

        test("alg none, however it is written, is 401", async () => {
            for (const alg of ["none", "None", "NONE", "nOnE", "", null, 0, "HS1", "XX256", ["HS256"]]) {
                const head = base64url({ alg, typ: "JWT" });
                const body = base64url({ sub: "somebody", exp: seconds(1000) });
                const [, , sign] = mint({ sub: "somebody" }).split(".");
                for (const end of ["", sign, "AAAA"]) {
                    await isRefused(`${head}.${body}.${end}`);
                }
            }
            await isRefused(mint({ sub: "somebody", exp: seconds(1000) }, { alg: "none" }));
            const bare = `${base64url({ typ: "JWT" })}.${base64url({ sub: "somebody" })}.`;
            await isRefused(bare);
        });

        test("claims that are no object are 401", async () => {
            for (const claims of ['"somebody"', "[]", "42", "null", "true", "{", "", '{"sub":"a"}x', "\u0000"]) {
                await isRefused(mint(claims));
            }
        });

        test("expired is 401, also by a second", async () => {
            for (const exp of [0, 1, -1, seconds(-3600), seconds(-1), seconds(-100) + 0.5, -1e15]) {
                await isRefused(tokenOf("somebody", { claims: { exp } }));
            }
        });

        test("not yet valid is 401", async () => {
            for (const nbf of [seconds(60), seconds(100000), 1e15, seconds(60) + 0.5]) {
                await isRefused(tokenOf("somebody", { claims: { nbf } }));
            }
        });

        test("exp or nbf that are no numbers are 401", async () => {
            for (const value of ["1", "2099-01-01", String(seconds(1000)), true, [], {}]) {
                await isRefused(tokenOf("somebody", { claims: { exp: value } }));
                await isRefused(tokenOf("somebody", { claims: { nbf: value } }));
            }
        });

        test("a bad token is told apart before the upgrade, and the process goes on", async () => {
            await isRefused("x");
            await isUser(tokenOf("goes-on"), "goes-on");
        });
    });

    describe("good tokens", () => {
        for (const alg of ["HS256", "HS384", "HS512"]) {
            test(`${alg} with the secret`, async () => {
                const user = site.user();
                await isUser(tokenOf(user, { alg }), user);
            });
        }

        test("a token without exp, and without typ, is good", async () => {
            const user = site.user();
            await isUser(mint({ sub: user }), user);
            await isUser(mint({ sub: user }, { header: { typ: undefined } }), user);
        });

        test("an nbf in the past is good, and so is a fraction of a second", async () => {
            const user = site.user();
            await isUser(tokenOf(user, { claims: { nbf: seconds(-5), iat: seconds(-5) } }), user);
            await isUser(tokenOf(user, { claims: { exp: seconds(1000) + 0.25, nbf: seconds(-5) + 0.25 } }), user);
        });

        test("unknown claims and header members do no harm", async () => {
            const user = site.user();
            const claims = { roles: ["a", { b: null }], name: "😀", nested: { sub: "other" } };
            await isUser(tokenOf(user, { claims, header: { kid: "whatever", cty: "x" } }), user);
        });
    });

    describe("the end of a token", () => {
        test("a connection ends with 4401 when its token's exp passes, and not before", async () => {
            const exp = seconds(2);
            const player = await Player.open(site.gateways[0], { token: tokenOf(site.user(), { claims: { exp } }) });
            const { code } = await player.closed();
            assert.equal(code, 4401);
            const late = Date.now() - exp * 1000;
            assert.ok(late >= -50 && late < patient(1500), `closed ${late} ms after exp`);
        });

        test("it ends although the device is busy, and what it then says is not applied", async () => {
            const user = site.user();
            const token = tokenOf(user, { claims: { exp: seconds(2) } });
            const player = await Player.open(site.gateways[0], { token });
            const busy = setInterval(() => player.isOpen && player.send({ type_push_state: "ping", t: 1 }), 50);
            try {
                assert.equal((await player.closed()).code, 4401);
            } finally {
                clearInterval(busy);
            }
            await isRefused(token);
        });

        test("an exp thousands of years ahead does not end anything", async () => {
            for (const exp of [2 ** 31, 2 ** 32 + 5, 253402300799, 1e13, 2 ** 53 - 1]) {
                const player = await Player.open(site.gateways[0], { token: tokenOf("eternal", { claims: { exp } }) });
                await player.hearsNothing();
                assert.ok(player.isOpen, `exp ${exp}`);
                await player.close();
            }
        });
    });

    describe("keys", () => {
        const directory = temporaryDirectory();
        const algs = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
        const pairs = Object.fromEntries(algs.map((alg) => [alg, keyPair(alg)]));
        const file = (name, pem) => {
            const path = join(directory, name);
            writeFileSync(path, pem);
            return path;
        };
        const files = Object.fromEntries(algs.map((alg) => [alg, file(`${alg}.pem`, pairs[alg].pem)]));
        after(() => removeDirectory(directory));

        // A gateway with these keys and no secret, unless one is given.
        const withKeys = (keys, secret) => site.addGateway({ "jwt-key": keys }, { env: { SEGUE_JWT_SECRET: secret } });

        const signed = (user, alg, how = {}) => tokenOf(user, { alg, key: pairs[how.by ?? alg].privateKey, ...how });

        for (const alg of algs) {
            test(`${alg} with its public key, and not with any other's`, async () => {
                const gateway = await withKeys(files[alg]);
                const user = site.user();
                await isUser(signed(user, alg), user, gateway);
                const stranger = keyPair(alg);
                await isRefused(tokenOf(user, { alg, key: stranger.privateKey }), gateway);
                const [head, body, sign] = signed(user, alg).split(".");
                await isRefused(`${head}.${base64url({ sub: "other" })}.${sign}`, gateway);
                await isRefused(`${head}.${body}.${sign.slice(0, -4)}`, gateway);
                await isRefused(`${head}.${body}.`, gateway);
            });

            test(`with a key of ${alg}, a token of any other kind is 401`, async () => {
                const gateway = await withKeys(files[alg]);
                for (const hs of ["HS256", "HS384", "HS512"]) {
                    await isRefused(tokenOf("x", { alg: hs, key: pairs[alg].pem }), gateway);
                    await isRefused(tokenOf("x", { alg: hs, key: pairs[alg].pem.trimEnd() }), gateway);
                    await isRefused(tokenOf("x", { alg: hs, key: "" }), gateway);
                    await isRefused(tokenOf("x", { alg: hs }), gateway);
                }
                const kind = (name) => (name.startsWith("RS") ? "RS" : name);
                for (const other of algs.filter((name) => kind(name) !== kind(alg))) {
                    await isRefused(signed("x", other), gateway);
                }
                await isRefused(mint({ sub: "x" }, { alg: "none" }), gateway);
            });
        }

        test("an RSA key verifies all three of RS256, RS384 and RS512", async () => {
            const gateway = await withKeys(files.RS256);
            for (const alg of ["RS256", "RS384", "RS512"]) {
                const user = site.user();
                await isUser(signed(user, alg, { by: "RS256" }), user, gateway);
            }
        });

        test("kid chooses among several keys, so that they can be rotated", async () => {
            const gateway = await withKeys([`old=${files.RS256}`, `new=${files.RS384}`, `ec=${files.ES256}`]);
            const user = site.user();
            await isUser(signed(user, "RS256", { header: { kid: "old" } }), user, gateway);
            await isUser(signed(user, "RS256", { by: "RS384", header: { kid: "new" } }), user, gateway);
            await isUser(signed(user, "ES256", { header: { kid: "ec" } }), user, gateway);
            await isRefused(signed(user, "RS256", { header: { kid: "new" } }), gateway);
            await isRefused(signed(user, "RS256", { header: { kid: "ec" } }), gateway);
            await isRefused(signed(user, "ES256", { header: { kid: "old" } }), gateway);
            await isRefused(signed(user, "RS256", { header: { kid: "gone" } }), gateway);
            await isRefused(signed(user, "RS256", { by: "RS512", header: { kid: "old" } }), gateway);
            await isRefused(signed(user, "RS256", { header: { kid: "../../etc/passwd" } }), gateway);
            await isRefused(signed(user, "RS256", { header: { kid: { a: 1 } } }), gateway);
        });

        test("a secret and keys side by side do not mix", async () => {
            const gateway = await withKeys([`k=${files.RS256}`, `e=${files.ES256}`], SECRET);
            const user = site.user();
            await isUser(tokenOf(user), user, gateway);
            await isUser(signed(user, "RS256", { header: { kid: "k" } }), user, gateway);
            await isUser(signed(user, "ES256", { header: { kid: "e" } }), user, gateway);
            await isRefused(tokenOf(user, { key: pairs.RS256.pem, header: { kid: "k" } }), gateway);
            await isRefused(tokenOf(user, { key: pairs.RS256.pem }), gateway);
        });
    });

    describe("issuer and audience", () => {
        let gateway;
        before(async () => {
            gateway = await site.addGateway({ "jwt-issuer": "https://id.example", "jwt-audience": "segue" });
        });
        const right = { iss: "https://id.example", aud: "segue" };

        test("both right is good, also with an array that contains the audience", async () => {
            for (const aud of ["segue", ["segue"], ["other", "segue"], ["segue", "other", "third"]]) {
                await isUser(tokenOf("aud", { claims: { ...right, aud } }), "aud", gateway);
            }
        });

        test("a wrong or missing issuer is 401", async () => {
            for (const iss of [
                undefined,
                "",
                "https://id.example/",
                "https://id.exampl",
                "HTTPS://ID.EXAMPLE",
                5,
                null,
                ["https://id.example"],
            ]) {
                await isRefused(tokenOf("aud", { claims: { ...right, iss } }), gateway);
            }
        });

        test("a wrong or missing audience is 401", async () => {
            for (const aud of [
                undefined,
                "",
                "segu",
                "segue2",
                "Segue",
                5,
                null,
                [],
                ["other"],
                [["segue"]],
                [5, null],
                { segue: true },
                ["seg", "ue"],
            ]) {
                await isRefused(tokenOf("aud", { claims: { ...right, aud } }), gateway);
            }
        });

        test("where the operator asks for neither, they may be anything", async () => {
            await isUser(tokenOf("any", { claims: { iss: "x", aud: ["y"] } }), "any");
        });
    });

    describe("the user's name", () => {
        test("is sub, else userId", async () => {
            const [one, two] = [site.user(), site.user()];
            await isUser(mint({ sub: one, userId: two }), one);
            await isUser(mint({ userId: two }), two);
        });

        test("is the claim of the operator's choice and no other", async () => {
            const gateway = await site.addGateway({ "jwt-user-claim": "uid" });
            const user = site.user();
            await isUser(mint({ uid: user, sub: "other", userId: "third" }), user, gateway);
            await isUser(mint({ uid: 77 }), "77", gateway);
            await isRefused(mint({ sub: user, userId: user }), gateway);
        });

        test('integer 42 and string "42" are the same user', async () => {
            for (const [number, text] of [
                [42, "42"],
                [0, "0"],
                [-7, "-7"],
                [9007199254740991, "9007199254740991"],
            ]) {
                await isUser(mint({ sub: number }), text);
            }
            await isUser(mint('{"sub":9007199254740993}'), "9007199254740993");
        });

        test("may have 128 bytes and not 129", async () => {
            for (const name of ["a", "x".repeat(128), "ü".repeat(64), "😀".repeat(32)]) {
                await isUser(tokenOf(name), name);
            }
            for (const name of ["", "x".repeat(129), `${"ü".repeat(64)}x`, "😀".repeat(33), "x".repeat(4000)]) {
                await isRefused(tokenOf(name));
            }
        });

        test("must be there, and a string or an integer", async () => {
            await isRefused(mint({}));
            await isRefused(mint({ user: "x", SUB: "x" }));
            for (const sub of [null, true, false, 1.5, [], ["x"], {}, { id: 1 }]) {
                await isRefused(mint({ sub }));
            }
        });

        test("holds no NUL or control byte", async () => {
            for (let code = 0; code < 32; code++) {
                await isRefused(mint({ sub: `a${String.fromCharCode(code)}b` }));
            }
            await isRefused(mint({ sub: "a\u007fb" }));
            await isRefused(mint({ sub: "\u0000" }));
            await isRefused(mint({ sub: "admin\u0000" }));
        });

        test("may be made of anything else, and no two names meet", async () => {
            const names = [
                "}{: ",
                " }{: ",
                "}{:",
                "{",
                "}",
                "{}",
                "{x}",
                "x}",
                "{x",
                "x",
                ":",
                "::",
                " ",
                "  ",
                "%",
                "%7B",
            ];
            names.push(
                "%7D%7B%3A%20",
                "%25",
                "%257B",
                "*",
                "?",
                "[x]",
                "\\",
                "\\x",
                '"',
                "'",
                "../..",
                "segue:player:{x}",
            );
            names.push(
                "x y",
                "x+y",
                "x%20y",
                "X",
                "ü",
                "u\u0308",
                "€",
                "😀",
                "a@b.c",
                "a_b-c.d",
                "\u200b",
                "\ufeff",
                "\u0085",
            );
            const devices = [];
            for (const [i, name] of names.entries()) {
                const sender = await site.player(name, i % 2);
                const witness = await site.player(name, (i + 1) % 2);
                assert.deepEqual(JSON.parse(sender.first), NO_STATE, JSON.stringify(name));
                devices.push({ name, sender, witness, track: `track ${i}` });
            }
            for (const { sender, witness, track } of devices) {
                sender.send(newTrack(0, { track }));
                await witness.receives(newTrack(0, { track }));
            }
            for (const { name, sender, witness, track } of devices) {
                await sender.hearsNothing();
                await witness.hearsNothing();
                assert.deepEqual(await site.stateOf(name), state(0, 0, { track }), JSON.stringify(name));
            }
            devices[0].sender.send(onPause(5));
            await devices[0].witness.receives(onPause(5));
            for (const { name, track } of devices.slice(1)) {
                assert.deepEqual(await site.stateOf(name, 0), state(0, 0, { track }), JSON.stringify(name));
            }
        });

        test("cannot leave its place in Redis: every key stays under the prefix, with one hash tag", async () => {
            for (const key of await site.redis.call("KEYS", "*")) {
                assert.match(key, /^segue:[a-z]+:\{[A-Za-z0-9_.@%-]+\}$/);
            }
        });
    });
});
