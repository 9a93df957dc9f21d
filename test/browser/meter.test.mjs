// What is read from metrics: samples, what grew between two looks, quantiles; and the points that the charts draw.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./lib/web.mjs";

const { growth, growthOfBuckets, Metrics, quantile } = await load("prometheus.js");
const { Meter } = await load("meter.js");
const { isProcessList, readProcesses } = await load("processes.js");

const buckets = (counts) => Object.entries(counts).map(([bound, count]) => ({ bound: Number(bound), count }));

function metrics({ connections = 0, received = 0, sent = 0, fast = 0, slow = 0 }) {
    return `# HELP segue_connections Open connections of clients.
# TYPE segue_connections gauge
segue_connections{protocol="player",transport="websocket"} ${connections}
segue_connections{protocol="chat",transport="websocket"} 1
segue_messages_received_total{protocol="player"} ${received}
segue_messages_sent_total{protocol="player"} ${sent}
segue_redis_up 1
segue_delivery_latency_seconds_bucket{le="0.001"} ${fast}
segue_delivery_latency_seconds_bucket{le="0.1"} ${fast + slow}
segue_delivery_latency_seconds_bucket{le="+Inf"} ${fast + slow}
process_resident_memory_bytes 5242880
`;
}

test("samples are summed over their labels", () => {
    const found = new Metrics(metrics({ connections: 4 }));
    assert.equal(found.sum("segue_connections"), 5);
    assert.equal(found.sum("segue_redis_up"), 1);
    assert.equal(found.sum("segue_connection"), 0);
    assert.equal(found.isEmpty, false);
});

test("labels may hold anything, values may be any number", () => {
    const found = new Metrics(
        [
            String.raw`a{x="br}ace, and \"quote\"",y="back\\slash"} 1`,
            'a { } 8',
            "b{} 2",
            "c 1e3 1700000000000",
            "d +Inf",
            "e -2.5",
            'f{x="1",} 3',
        ].join("\r\n"),
    );
    assert.deepEqual(
        ["a", "b", "c", "d", "e", "f"].map((name) => found.sum(name)),
        [1, 2, 1000, Infinity, -2.5, 3],
    );
});

test("what is no metric is passed over", () => {
    for (const text of ["", "<!doctype html>\n<p>hello</p>", '{"error":"not_found"}', "# HELP a b", 'a{x=1} 2', 'a{x="1} 2']) {
        assert.equal(new Metrics(text).isEmpty, true, text);
    }
});

test("buckets are in the order of their bounds", () => {
    const found = new Metrics('h_bucket{le="+Inf"} 9\nh_bucket{le="0.25"} 4\nh_bucket{le="0.0005"} 1\nh_count 9\n');
    assert.deepEqual(found.buckets("h"), buckets({ 0.0005: 1, 0.25: 4, Infinity: 9 }));
    assert.deepEqual(found.buckets("other"), []);
});

test("a counter that fell began anew", () => {
    assert.equal(growth(10, 15), 5);
    assert.equal(growth(10, 3), 3);
    assert.deepEqual(growthOfBuckets(buckets({ 1: 2, Infinity: 5 }), buckets({ 1: 3, Infinity: 9 })), [
        { bound: 1, count: 1 },
        { bound: Infinity, count: 4 },
    ]);
    const restarted = buckets({ 1: 1, Infinity: 2 });
    assert.deepEqual(growthOfBuckets(buckets({ 1: 2, Infinity: 5 }), restarted), restarted);
});

test("a quantile lies within its bucket, in proportion", () => {
    const seen = buckets({ 1: 50, 2: 90, 4: 100, Infinity: 100 });
    assert.equal(quantile(seen, 0.5), 1);
    assert.equal(quantile(seen, 0.25), 0.5);
    assert.equal(quantile(seen, 0.7), 1.5);
    assert.equal(quantile(seen, 0.95), 3);
    assert.equal(quantile(seen, 1), 4);
});

test("a quantile beyond the last bound is that bound; of nothing there is none", () => {
    assert.equal(quantile(buckets({ 1: 1, Infinity: 10 }), 0.99), 1);
    assert.ok(Number.isNaN(quantile(buckets({ 1: 0, Infinity: 0 }), 0.5)));
    assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("a meter turns counts into rates", () => {
    const meter = new Meter("a:1");
    assert.equal(meter.status, "unknown");
    assert.ok(meter.take(metrics({ connections: 2, received: 100, sent: 1000 }), 1000));
    assert.deepEqual([meter.status, meter.redisUp, meter.memory], ["up", true, 5242880]);
    assert.equal(meter.now.connections, 3);
    assert.ok(Number.isNaN(meter.now.received), "one look tells no rate");
    meter.take(metrics({ received: 110, sent: 1000 }), 3000);
    assert.deepEqual([meter.now.received, meter.now.sent], [5, 0]);
    meter.take(metrics({ received: 8, sent: 4 }), 4000);
    assert.deepEqual([meter.now.received, meter.now.sent], [8, 4], "after a restart");
});

test("latencies are those of the last ten seconds", () => {
    const meter = new Meter("a:1");
    meter.take(metrics({ fast: 5, slow: 5 }), 0);
    assert.ok(Number.isNaN(meter.now.p99), "what was before is not known");
    meter.take(metrics({ fast: 105, slow: 5 }), 1000);
    assert.ok(meter.now.p99 <= 0.001);
    for (let second = 2; second <= 9; second++) {
        meter.take(metrics({ fast: 105, slow: 105 }), second * 1000);
        assert.ok(meter.now.p99 > 0.09, `second ${second}`);
        assert.ok(meter.now.p50 <= 0.001, `second ${second}`);
    }
    for (let second = 10; second <= 13; second++) {
        meter.take(metrics({ fast: 105, slow: 105 }), second * 1000);
    }
    assert.ok(Number.isNaN(meter.now.p99), "nothing was delivered for ten seconds");
});

test("who does not answer leaves a gap", () => {
    const meter = new Meter("a:1");
    meter.take(metrics({ received: 1 }), 0);
    meter.miss(1000);
    assert.equal(meter.status, "down");
    assert.ok(Object.entries(meter.now).every(([key, value]) => key === "at" || Number.isNaN(value)));
    assert.equal(meter.take("<p>somebody else</p>", 2000), false);
    assert.equal(meter.status, "down");
    meter.take(metrics({ received: 500 }), 3000);
    assert.equal(meter.status, "up");
    assert.ok(Number.isNaN(meter.now.received), "it may have begun anew");
});

test("points are kept for two minutes", () => {
    const meter = new Meter("a:1");
    for (let second = 0; second <= 300; second++) {
        meter.take(metrics({ received: second }), second * 1000);
    }
    assert.deepEqual([meter.points[0].at, meter.points.length], [180000, 121]);
});

test("processes are named by host and port", () => {
    const names = (text) => readProcesses(text).map(({ url }) => url);
    assert.deepEqual(names("127.0.0.1:9090,127.0.0.1:9191"), ["http://127.0.0.1:9090", "http://127.0.0.1:9191"]);
    assert.deepEqual(names(" gw-1.example , https://gw-2:443\n[::1]:9090"), [
        "http://gw-1.example",
        "https://gw-2:443",
        "http://[::1]:9090",
    ]);
    assert.deepEqual(names("a:1,A:1,a:1"), ["http://a:1"], "each once");
    for (const bad of ["javascript:alert(1)", "a:1/path", "user@host:1", "http://", "a:99999999", "?x", '"><b>']) {
        assert.deepEqual(names(bad), [], bad);
        assert.equal(isProcessList(bad), false, bad);
    }
    assert.equal(names(Array.from({ length: 100 }, (_, i) => `h${i}:1`).join()).length, 64);
    assert.ok(isProcessList("a:1, b:2"));
});
