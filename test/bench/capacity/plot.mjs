// Plot: panels of lines and of bars as one SVG, without outside resources, for light and for dark pages.
//
//     page({ title, subtitle, notes, panels: [lines({...}), bars({...})] })
//
// A panel is a function of its place on the page. Colours are classes, so that the style can change them with the page's.

const COLUMNS = 2;
const PANEL = { width: 470, height: 320 };
const PLOT = { left: 66, top: 62, right: 18, bottom: 46 };
const GAP = 20;
const HEAD = 62;
const LINE = 17; // of text

const STYLE = `
svg { --paper: #ffffff; --ink: #1f2933; --soft: #616e7c; --grid: #e4e7eb; --rule: #9aa5b1;
      --c1: #0b7a75; --c2: #c8553d; --c3: #7a5195; --c4: #8d99a6 }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14191f; --ink: #e4e7eb; --soft: #a3b0bd; --grid: #2b343e; --rule: #5b6875;
        --c1: #3fc1b0; --c2: #f0886a; --c3: #b794d6; --c4: #8d99a6 }
}
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink) }
.title { font-size: 19px; font-weight: 600 } .name { font-size: 14px; font-weight: 600 }
.soft, .tick { fill: var(--soft) } .tick { font-size: 11px }
.paper { fill: var(--paper) } .grid { stroke: var(--grid) } .axis { stroke: var(--rule) }
.mark { stroke: var(--soft); stroke-dasharray: 4 4 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round } .dashed { stroke-dasharray: 5 4 }
.s1 { stroke: var(--c1) } .s2 { stroke: var(--c2) } .s3 { stroke: var(--c3) } .s4 { stroke: var(--c4) }
.f1 { fill: var(--c1) } .f2 { fill: var(--c2) } .f3 { fill: var(--c3) } .f4 { fill: var(--c4) }
`;

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const round = (value) => Number(value.toFixed(1));

function text(x, y, words, { className = "", anchor = "start", turn = false } = {}) {
    const turned = turn ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : "";
    return `<text x="${round(x)}" y="${round(y)}"${className && ` class="${className}"`}${anchor === "start" ? "" : ` text-anchor="${anchor}"`}${turned}>${escape(words)}</text>`;
}

function line(x1, y1, x2, y2, className) {
    return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${className}"/>`;
}

// 0.5, 20, 1,500, 20k
function short(value) {
    if (value >= 10000) {
        return `${Number((value / 1000).toFixed(1)).toLocaleString("en-US")}k`;
    }
    return Number(value.toPrecision(3)).toLocaleString("en-US");
}

// ---- scales: {ticks, at(value) from 0 to 1} ----

function linear(most, whole = false) {
    const raw = Math.max(most, 1e-9) / 5;
    const power = 10 ** Math.floor(Math.log10(raw));
    const finest = [1, 2, 2.5, 5, 10].find((n) => n * power >= raw) * power;
    const step = whole ? Math.ceil(finest) : finest;
    const top = Math.ceil(most / step - 1e-9) * step || step;
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
    return { ticks, at: (value) => value / top };
}

function logarithmic(values) {
    const low = Math.log10(Math.min(...values));
    const high = Math.log10(Math.max(...values));
    const [from, to] = high - low < 0.3 ? [low - 0.15, high + 0.15] : [low - 0.04 * (high - low), high + 0.04 * (high - low)];
    const units = to - from > 2.6 ? [1] : [1, 2, 5];
    const ticks = [];
    for (let power = Math.floor(from); power <= to; power++) {
        ticks.push(...units.map((unit) => unit * 10 ** power));
    }
    const at = (value) => (Math.log10(value) - from) / (to - from);
    return { ticks: ticks.filter((tick) => at(tick) >= 0 && at(tick) <= 1), at };
}

const scaleOf = (axis, values) => (axis.log ? logarithmic(values) : linear(Math.max(...values), axis.whole));

// ---- panels ----

function legend(left, top, entries) {
    const parts = [];
    let x = left;
    for (const { title, colour, dashed } of entries) {
        parts.push(`<line x1="${round(x)}" y1="${top - 4}" x2="${round(x + 16)}" y2="${top - 4}" class="line s${colour}${dashed ? " dashed" : ""}" stroke-width="3"/>`);
        parts.push(text(x + 21, top, title));
        x += 21 + title.length * 6.4 + 18;
    }
    return parts;
}

function frameOf(left, top, width = PANEL.width) {
    return { left: left + PLOT.left, right: left + width - PLOT.right, top: top + PLOT.top, bottom: top + PANEL.height - PLOT.bottom };
}

function axes(area, x, y, xScale, yScale) {
    const parts = [];
    for (const tick of yScale.ticks) {
        const at = area.bottom - yScale.at(tick) * (area.bottom - area.top);
        parts.push(line(area.left, at, area.right, at, "grid"), text(area.left - 7, at + 4, short(tick), { className: "tick", anchor: "end" }));
    }
    for (const tick of xScale.ticks) {
        const at = area.left + xScale.at(tick) * (area.right - area.left);
        parts.push(line(at, area.bottom, at, area.bottom + 4, "axis"), text(at, area.bottom + 17, short(tick), { className: "tick", anchor: "middle" }));
    }
    parts.push(line(area.left, area.bottom, area.right, area.bottom, "axis"));
    parts.push(text((area.left + area.right) / 2, area.bottom + 36, x.title, { className: "soft", anchor: "middle" }));
    parts.push(text(area.left - 50, (area.top + area.bottom) / 2, y.title, { className: "soft", anchor: "middle", turn: true }));
    return parts;
}

// series: [{title, colour (1 to 4), points: [[x, y]], dashed}]; x, y: {title, log, whole}; level: {value, title} of y; mark:
// {value, title} of x.
export function lines({ name, x, y, series, level, mark }) {
    return (left, top) => {
        const shown = series
            .map((row) => ({ ...row, points: row.points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b) && (!x.log || a > 0) && (!y.log || b > 0)) }))
            .filter((row) => row.points.length > 0);
        const parts = [text(left, top + 18, name, { className: "name" }), ...legend(left, top + 42, shown)];
        if (shown.length === 0) {
            return [...parts, text(left, top + 80, "not measured", { className: "soft" })];
        }
        const all = shown.flatMap((row) => row.points);
        const area = frameOf(left, top);
        const xScale = scaleOf(x, all.map(([value]) => value));
        const yScale = scaleOf(y, [...all.map(([, value]) => value), ...(level ? [level.value] : [])]);
        const px = (value) => area.left + xScale.at(value) * (area.right - area.left);
        const py = (value) => area.bottom - yScale.at(value) * (area.bottom - area.top);
        parts.push(...axes(area, x, y, xScale, yScale));
        if (level) {
            parts.push(line(area.left, py(level.value), area.right, py(level.value), "mark"));
            parts.push(text(area.left + 6, py(level.value) - 5, level.title, { className: "soft" }));
        }
        if (mark) {
            const right = px(mark.value) < (area.left + area.right) / 2;
            parts.push(line(px(mark.value), area.top, px(mark.value), area.bottom, "mark"));
            parts.push(text(px(mark.value) + (right ? 6 : -6), area.top + 12, mark.title, { className: "soft", anchor: right ? "start" : "end" }));
        }
        for (const { points, colour, dashed } of shown) {
            const path = points.map(([a, b], i) => `${i === 0 ? "M" : "L"}${round(px(a))} ${round(py(b))}`).join("");
            parts.push(`<path d="${path}" class="line s${colour}${dashed ? " dashed" : ""}"/>`);
            parts.push(...points.map(([a, b]) => `<circle cx="${round(px(a))}" cy="${round(py(b))}" r="3" class="f${colour}"/>`));
        }
        return parts;
    };
}

// parts: [title, colour] of what a bar is put together of; rows: [{title, values}]; unit: of the values.
export function bars({ name, parts: kinds, rows, unit, digits = 1 }) {
    return (left, top) => {
        const parts = [text(left, top + 18, name, { className: "name" })];
        parts.push(...legend(left, top + 42, kinds.map(([title, colour]) => ({ title, colour }))));
        const area = frameOf(left, top);
        const sums = rows.map(({ values }) => values.reduce((a, b) => a + b, 0));
        const scale = linear(Math.max(...sums, 1e-9) * 1.12);
        const px = (value) => left + scale.at(value) * (area.right - left);
        const pitch = Math.min(70, (area.bottom - area.top) / Math.max(rows.length, 1));
        for (const tick of scale.ticks) {
            parts.push(line(px(tick), area.top, px(tick), area.bottom, "grid"));
            parts.push(text(px(tick), area.bottom + 17, short(tick), { className: "tick", anchor: "middle" }));
        }
        rows.forEach(({ title, values }, row) => {
            const y = area.top + row * pitch;
            let from = 0;
            parts.push(text(left + 5, y + 15, title));
            values.forEach((value, i) => {
                parts.push(`<rect x="${round(px(from))}" y="${round(y + 22)}" width="${round(Math.max(0, px(from + value) - px(from)))}" height="${round(pitch - 34)}" class="f${kinds[i][1]}"/>`);
                from += value;
            });
            parts.push(text(px(from) + 6, y + 22 + (pitch - 34) / 2 + 4, sums[row].toFixed(digits)));
        });
        parts.push(line(left, area.top, left, area.bottom, "axis"));
        parts.push(text((left + area.right) / 2, area.bottom + 36, unit, { className: "soft", anchor: "middle" }));
        return parts;
    };
}

export function page({ title, subtitle, notes, panels }) {
    const width = COLUMNS * PANEL.width + (COLUMNS + 1) * GAP;
    const rows = Math.ceil(panels.length / COLUMNS);
    const foot = HEAD + rows * (PANEL.height + GAP) + 8;
    const height = foot + notes.length * LINE + 10;
    const drawn = panels.flatMap((panel, i) => panel(GAP + (i % COLUMNS) * (PANEL.width + GAP), HEAD + Math.floor(i / COLUMNS) * (PANEL.height + GAP)));
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<rect width="${width}" height="${height}" class="paper"/>
${text(GAP, 30, title, { className: "title" })}
${text(GAP, 50, subtitle, { className: "soft" })}
${drawn.join("\n")}
${notes.map((note, i) => text(GAP, foot + (i + 1) * LINE - 4, note, { className: "soft" })).join("\n")}
</svg>
`;
}
