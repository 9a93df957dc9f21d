// Proc: what /proc tells of processes, of sockets and of the machine.

import { readFileSync, readdirSync } from "node:fs";
import { cpus } from "node:os";

const PAGE = 4096;
const TICKS = 100; // a second has in /proc/stat

// What the kernel keeps for each socket of a process that waits for it with epoll, besides what is under way.
const OF_A_SOCKET = ["TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq"];

const read = (path) => readFileSync(path, "utf8");

// Seconds of CPU since the process began: nanoseconds of each thread, or ticks where the kernel does not keep those.
export function cpuOf(pid) {
    let ns = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
        try {
            ns += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
        } catch {
            // It has just ended, or there is no such file.
        }
    }
    if (ns > 0) {
        return ns / 1e9;
    }
    const fields = read(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

export const cpuOfAll = (pids) => pids.reduce((sum, pid) => sum + cpuOf(pid), 0);

// Bytes; pss counts a shared page by its share.
export function memoryOf(pid) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    const bytes = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]) * 1024;
    return { rss: bytes("Rss"), pss: bytes("Pss") };
}

export function memoryOfAll(pids) {
    return pids.map(memoryOf).reduce((a, b) => ({ rss: a.rss + b.rss, pss: a.pss + b.pss }), { rss: 0, pss: 0 });
}

// {sockets, buffers}: TCP sockets that are there, and the bytes that wait in them.
export function sockets() {
    const [, count, pages] = read("/proc/net/sockstat").match(/^TCP:.* alloc (\d+) mem (\d+)/m);
    return { count: Number(count), buffers: Number(pages) * PAGE };
}

// Bytes of kernel objects per socket, each with its share of the pages that it stands in; null where only root may know.
export function socketObjects() {
    let text;
    try {
        text = read("/proc/slabinfo");
    } catch {
        return null;
    }
    let bytes = 0;
    for (const line of text.split("\n")) {
        const [name, , , size, perSlab, pages] = line.split(/\s+/);
        if (OF_A_SOCKET.includes(name)) {
            bytes += Math.max(Number(size), (Number(pages) * PAGE) / Number(perSlab));
        }
    }
    return bytes || null;
}

// Bytes that the kernel has in objects of all kinds, for everybody.
export function slab() {
    return Number(read("/proc/meminfo").match(/^Slab:\s+(\d+) kB/m)[1]) * 1024;
}

export const cores = () => cpus().length;

export function filesLimit() {
    const limit = read("/proc/self/limits").match(/^Max open files\s+\S+\s+(\S+)/m)[1];
    return limit === "unlimited" ? Infinity : Number(limit);
}
