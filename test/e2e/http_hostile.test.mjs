// HTTP/1.1 as nobody should speak it: heads without end, slow clients, requests that two parsers read differently.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { patient, sleep, until, within } from "./lib/patience.mjs";
import { suiteSite } from "./lib/site.mjs";

const SECOND = "GET /player HTTP/1.1\r\nHost: smuggled\r\n\r\n";

const BAD = {
    "both a length and chunks": [
        `POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG${SECOND}`,
        `POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n${SECOND}`,
        `GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n${SECOND}`,
    ],
    "lengths that contradict each other, or are none": [
        ["5", "6"],
        ["5, 6"],
        ["+5"],
        ["-5"],
        ["0x5"],
        ["5a"],
        ["5 5"],
        ["5.0"],
        ["99999999999999999999999999"],
        ["18446744073709551616"],
        ["five"],
    ].map((values) => {
        const fields = values.map((value) => `Content-Length: ${value}\r\n`).join("");
        return `POST /healthz HTTP/1.1\r\nHost: a\r\n${fields}\r\nhello${SECOND}`;
    }),
    "a transfer coding that is not chunked": [
        "xchunked",
        "chunked, identity",
        "identity, chunked, identity",
        "chunked\x0b",
        "\x0bchunked",
        '"chunked"',
        "chunked;q=1, gzip",
        "gzip, chunked",
        "chunked, chunked",
    ].map((coding) => `POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${SECOND}`),
    "a field whose name ends with a space": [
        `POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SECOND}`,
        `POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello${SECOND}`,
        `GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n${SECOND}`,
    ],
    "a fold before the first field": [`GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n${SECOND}`],
    "control bytes in the head": ["\0", "\r", "\x01", "\x7f"].flatMap((byte) => [
        `GET /healthz HTTP/1.1\r\nHost: a\r\nX: y${byte}z\r\n\r\n${SECOND}`,
        `GET /healthz HTTP/1.1\r\nHost: a\r\nX${byte}: y\r\n\r\n${SECOND}`,
        `GET /heal${byte}thz HTTP/1.1\r\nHost: a\r\n\r\n${SECOND}`,
    ]),
    "line ends without a carriage return": [
        `GET /healthz HTTP/1.1\nHost: a\n\n${SECOND}`,
        `POST /healthz HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello${SECOND}`,
    ],
    "chunks with a size that is none": [
        "x\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        "5 5\r\nhello\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "10000000000000000\r\n",
        "5\rhello",
        "\r\n",
        "5\r\nhelloX\r\n",
    ].map(
        (chunk) => `POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n${SECOND}`,
    ),
    "chunks in HTTP/1.0": [
        `POST /healthz HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECOND}`,
    ],
    "no Host, or several": [
        `GET /healthz HTTP/1.1\r\n\r\n${SECOND}`,
        `GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${SECOND}`,
    ],
    "another protocol": [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1.1\r\nHost: a\r\n\r\n",
        "GET /healthz SPDY/3\r\nHost: a\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        Buffer.from("16030100c8010000c40303", "hex"),
        "*1\r\n$4\r\nPING\r\n",
        "EHLO example.org\r\n",
        "{}\r\n\r\n",
    ],
};

describe("hostile HTTP", () => {
    const site = suiteSite({ gateways: 1, flags: { "connect-timeout": 700 } });
    const gateway = () => site.gateways[0];

    async function stillServes() {
        assert.equal((await gateway().get("/healthz")).status, 200);
    }

    function assertError(answer, statuses, what) {
        assert.ok(statuses.includes(answer.status), `${answer.status} for ${what}`);
        assert.match(answer.headers["content-type"], /^application\/json/);
        assert.deepEqual(Object.keys(answer.json()).sort(), ["error", "message"]);
    }

    for (const [what, requests] of Object.entries(BAD)) {
        test(`${what}: one refusal and the end, whatever follows`, async () => {
            for (const bytes of requests) {
                const shown = JSON.stringify(bytes.toString("latin1"));
                const raw = await site.raw();
                await raw.write(Buffer.from(bytes, "latin1"));
                const answer = await raw.response().catch((error) => assert.fail(`${shown}: ${error.message}`));
                assertError(answer, [400, 505, 501], shown);
                assert.equal((await raw.rest()).toString(), "", shown);
            }
            await stillServes();
        });
    }

    test("a folded field is refused, or its fold is read as a space: never another way", async () => {
        const second = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        for (const [fields, body] of [
            ["Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"],
            ["Content-Length:\r\n\t5\r\n", "hello"],
            ["X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"],
            ["X: y\r\n Content-Length: 5\r\n", ""],
        ]) {
            const raw = await site.raw();
            await raw.write(`POST /healthz HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}${second}`);
            const { status } = await raw.response();
            if (status === 400) {
                assert.equal((await raw.rest()).length, 0);
            } else {
                assert.equal(status, 405, fields);
                assert.equal((await raw.response()).status, 200, fields);
            }
        }
        const raw = await site.raw();
        await raw.write(
            `POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n , identity\r\n\r\n${second}`,
        );
        assert.equal((await raw.response()).status, 400);
        assert.equal((await raw.rest()).length, 0);
    });

    describe("heads", () => {
        const padded = (size, line = "GET /healthz HTTP/1.1\r\nHost: a\r\n") => {
            return `${line}X-Pad: ${"x".repeat(size - line.length - "X-Pad: \r\n\r\n".length)}\r\n\r\n`;
        };

        test("of nearly 8 KiB are read", async () => {
            const raw = await site.raw();
            assert.equal(padded(8000).length, 8000);
            await raw.write(padded(8000));
            assert.equal((await raw.response()).status, 200);
            await raw.write(padded(8000));
            assert.equal((await raw.response()).status, 200);
        });

        test("beyond 8 KiB are 431: one long field, many short ones, a long target", async () => {
            const many = Array.from({ length: 2000 }, (_, i) => `X${i}: y\r\n`).join("");
            for (const head of [
                padded(8400),
                padded(100000),
                `GET /healthz HTTP/1.1\r\nHost: a\r\n${many}\r\n`,
                `GET /healthz?${"x".repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
                `GET /healthz HTTP/1.1\r\nHost: a\r\n${"x".repeat(9000)}: y\r\n\r\n`,
            ]) {
                const raw = await site.raw();
                await raw.write(head);
                assertError(await raw.response(), [431], head.slice(0, 60));
                await raw.rest();
            }
        });

        test("of any number of empty fields are read or refused, but not forgotten", async () => {
            const raw = await site.raw();
            await raw.write(`GET /healthz HTTP/1.1\r\nHost: a\r\n${"a:\r\n".repeat(1900)}\r\n`);
            const { status } = await raw.response();
            assert.ok([200, 431].includes(status), `${status}`);
        });

        test("that never end are 431, and the connection ends", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.1\r\nHost: a\r\n");
            let over = false;
            const flood = async () => {
                while (!over) {
                    raw.write("X-Endless: yes\r\n".repeat(500));
                    await sleep(1);
                }
            };
            const flooding = flood();
            try {
                assertError(await raw.response(), [431], "an endless head");
                await raw.rest();
            } finally {
                over = true;
                await flooding;
            }
            await stillServes();
        });

        test("trailers count as well", async () => {
            const raw = await site.raw();
            await raw.write("POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
            await raw.write("X-Trailer: yes\r\n".repeat(1000));
            const { status } = await raw.response();
            assert.ok([431, 405, 400].includes(status), `${status}`);
            await raw.rest();
        });
    });

    describe("slow clients", { concurrency: 8 }, () => {
        // From the first byte to the end of the connection; the answer, if there is one, is 408.
        async function isDropped(raw, least = 500) {
            const start = Date.now();
            const rest = await raw.rest(patient(10000));
            const took = Date.now() - start;
            assert.ok(took >= least, `dropped after ${took} ms`);
            assert.ok(took < patient(5000), `dropped after ${took} ms`);
            if (rest.length > 0) {
                assert.match(rest.toString("latin1"), /^HTTP\/1\.1 408 /);
            }
        }

        test("a client that says nothing is dropped after --connect-timeout", async () => {
            await isDropped(await site.raw());
        });

        test("a client that says half a head is dropped", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.1\r\nHost: a\r\nX-");
            await isDropped(raw);
        });

        test("a client that drips a head is dropped: progress does not move the limit", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ");
            const drip = setInterval(() => raw.write("x"), 50);
            try {
                await isDropped(raw);
            } finally {
                clearInterval(drip);
            }
        });

        test("a client that drips a body is dropped", async () => {
            const raw = await site.raw();
            await raw.write("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
            const drip = setInterval(() => raw.write("x"), 50);
            try {
                const rest = (await raw.rest(patient(10000))).toString("latin1");
                assert.match(rest, /^HTTP\/1\.1 40[58] /);
            } finally {
                clearInterval(drip);
            }
        });

        test("a client that is silent after its answer is dropped", async () => {
            const raw = await site.raw();
            await raw.request("GET /healthz HTTP/1.1");
            assert.equal((await raw.response()).status, 200);
            await isDropped(raw);
        });

        test("a client that half-closes without a request is let go at once", async () => {
            const raw = await site.raw();
            raw.end();
            assert.equal((await raw.rest()).length, 0);
        });

        test("a client that half-closes in the middle of a head is let go", async () => {
            const raw = await site.raw();
            await raw.write("GET /healthz HTTP/1.1\r\nHo");
            raw.end();
            await raw.rest();
        });

        test("a WebSocket outlives --connect-timeout", async () => {
            const player = await site.player(site.user());
            await sleep(1500);
            await player.hearsNothing();
        });

        test("a hundred silent clients leave nothing behind", async () => {
            const before = gateway().openFiles();
            const raws = await Promise.all(Array.from({ length: 100 }, () => site.raw()));
            await Promise.all(raws.map((raw) => raw.rest(patient(10000))));
            raws.forEach((raw) => raw.destroy());
            await until(() => gateway().openFiles() <= before + 10, "the files are closed");
        });
    });

    test("a client that never reads its answers does not make memory grow", async () => {
        const raw = await site.raw();
        raw.pause();
        const before = gateway().residentBytes();
        const burst = Buffer.from("GET /player HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000));
        let over = false;
        raw.rest(patient(20000)).then(
            () => (over = true),
            () => {},
        );
        for (let i = 0; i < 40 && !over; i++) {
            await Promise.race([raw.write(burst), sleep(50)]);
        }
        assert.ok(
            gateway().residentBytes() - before < 16 * 2 ** 20,
            "the answers wait in the client, not in the gateway",
        );
        raw.resume();
        raw.destroy();
        await stillServes();
    });

    // What was read and not answered yet lies in the process; the rest must wait in the kernel.
    test("a client that asks faster than Redis answers does not make memory grow", async () => {
        const requests = {
            "a handshake": "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n",
            "a room": "GET /api/rooms/hasty HTTP/1.1\r\nHost: a\r\n\r\n",
        };
        for (const [what, request] of Object.entries(requests)) {
            const raw = await site.raw();
            const received = async () => (await gateway().metrics()).get("segue_bytes_received_total");
            const before = await received();
            const hasty = raw.write(Buffer.from(request.repeat(2 ** 17)));
            for (let i = 0; i < 300; i++) {
                assert.equal((await raw.response()).status, 200);
            }
            const waiting = (await received()) - before - 300 * request.length;
            assert.ok(waiting < 2 ** 18, `${what}: ${waiting} bytes were read and not answered`);
            raw.destroy();
            await hasty;
        }
        await stillServes();
    });

    describe("large bodies", () => {
        const LARGE = 2 ** 20;
        const post = (path, fields = "", length = LARGE) =>
            `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${fields}\r\n`;
        const poll = `/socket.io/?EIO=4&transport=polling&sid=${"a".repeat(20)}`;

        test("are not read from those who may not send them", async () => {
            for (const path of ["/api/batch", "/api/batch?x=1"]) {
                const raw = await site.raw();
                await raw.write(post(path));
                assertError(await raw.response(), [401, 403], path);
                raw.destroy();
            }
            const chunked = await site.raw();
            await chunked.write("POST /api/batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            await chunked.write(`20000\r\n${"x".repeat(0x20000)}\r\n`);
            assertError(await chunked.response(), [401, 403], "chunks");
            chunked.destroy();
            await stillServes();
        });

        test("of polling clients are read few at a time: memory has a bound", async () => {
            const patientGateway = await site.addGateway({ "connect-timeout": 600000 });
            const open = () => site.raw(patientGateway);
            const half = Buffer.alloc(LARGE / 2, "x");
            const before = patientGateway.residentBytes();
            const crowd = await Promise.all(Array.from({ length: 150 }, open));
            const refused = [];
            crowd.forEach((raw) => {
                raw.write(Buffer.concat([Buffer.from(post(poll)), half]));
                raw.response().then(
                    (answer) => refused.push(answer),
                    () => {},
                );
            });
            await until(() => refused.length === 150 - 64, "all but 64 are refused");
            refused.forEach((answer) => assertError(answer, [503], "one too many"));
            refused.forEach((answer) => assert.ok(Number(answer.headers["retry-after"]) > 0));
            assert.ok(patientGateway.residentBytes() - before < 120 * 2 ** 20, "memory is bounded");
            const small = await open();
            await small.write(`${post(poll, "", 4)}4abc`);
            assert.equal((await small.response()).status, 400, "small ones are read all the while");
            [...crowd, small].forEach((raw) => raw.destroy());
            await until(async () => {
                const raw = await open();
                await raw.write(post(poll, "", 2 ** 17) + "4".repeat(2 ** 17));
                const { status } = await raw.response();
                raw.destroy();
                return status === 400;
            }, "large ones are read again");
        });
    });

    test("random bytes are refused and the process goes on", async () => {
        let seed = 12345;
        const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
        for (let i = 0; i < 50; i++) {
            const raw = await site.raw();
            const bytes = Buffer.from(
                Array.from({ length: 1 + Math.floor(random() * 2000) }, () => Math.floor(random() * 256)),
            );
            await raw.write(bytes);
            raw.end();
            await within(raw.rest(), "end of the connection");
            raw.destroy();
        }
        await stillServes();
    });
});
