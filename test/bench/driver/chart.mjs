// Chart: the first figure of each workload as bars, as an SVG without outside resources.

import { number } from "./figures.mjs";

const WIDTH = 760;
const LEFT = 150;
const RIGHT = 90;
const BAR = 18;
const GAP = 6;
const COLOURS = { segue: "#0b7a75", floor: "#9aa5b1" };
const OTHER = "#c8553d";

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function bar(cell, name, digits, y, scale) {
    const { median, least, most } = cell.figures[name];
    const x = (value) => (LEFT + value * scale).toFixed(1);
    const middle = y + BAR / 2;
    return [
        `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escape(cell.contestant.title)}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" rx="2" fill="${COLOURS[cell.contestant.name] ?? OTHER}"/>`,
        `<line x1="${x(least)}" x2="${x(most)}" y1="${middle}" y2="${middle}" stroke="#222" stroke-width="1.5"/>`,
        `<text x="${Number(x(Math.max(median, most))) + 6}" y="${middle + 4}">${number(median, digits)}</text>`,
    ].join("\n");
}

// One workload; returns its height too.
function block(workload, cells, top) {
    const name = Object.keys(workload.figures)[0];
    const [title, digits] = workload.figures[name];
    const shown = cells.filter((cell) => cell.workload === workload && cell.figures[name]);
    if (shown.length === 0) {
        return ["", 0];
    }
    const most = Math.max(...shown.map((cell) => cell.figures[name].most));
    const scale = (WIDTH - LEFT - RIGHT) / Math.max(most, 1e-9);
    const lines = [`<text x="8" y="${top + 16}" class="title">${escape(`${workload.title}: ${title}`)}</text>`];
    shown.forEach((cell, i) => lines.push(bar(cell, name, digits, top + 26 + i * (BAR + GAP), scale)));
    return [lines.join("\n"), 26 + shown.length * (BAR + GAP) + 20];
}

export function chart(workloads, cells) {
    const blocks = [];
    let top = 8;
    for (const workload of workloads.filter((row) => !row.alone)) {
        const [text, height] = block(workload, cells, top);
        blocks.push(text);
        top += height;
    }
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img">
<title>Segue beside its alternatives: less is better</title>
<style>text { font: 13px sans-serif; fill: #222 } .title { font-weight: 600 }</style>
<rect width="${WIDTH}" height="${top}" fill="#fff"/>
${blocks.filter(Boolean).join("\n")}
</svg>
`;
}
