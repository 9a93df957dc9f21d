// Table: the results as text that is Markdown too.

import { number, ratioOf, spread } from "./figures.mjs";
import { goals } from "./goals.mjs";

function cellText(figure, digits, runs) {
    if (figure === undefined) {
        return "";
    }
    const text = number(figure.median, digits);
    return runs > 1 ? `${text} ±${spread(figure)}%` : text;
}

function ratioText(cell, base, name) {
    const ratio = base && ratioOf(cell, name, base);
    return ratio === undefined ? "" : `${number(ratio, 2)} x`;
}

// Rows of texts as a table; the first one is its head.
export function align(rows) {
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    const line = (row) =>
        `| ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join(" | ")} |`;
    const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
    return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n");
}

// One workload: cells in the order of their contestants.
function workloadTable(workload, cells) {
    const names = Object.keys(workload.figures).filter((name) => cells.some((cell) => cell.figures[name]));
    const base = cells.find((cell) => cell.contestant.name === "segue");
    const first = names[0];
    const titles = names.flatMap((name) => {
        const [title] = workload.figures[name];
        return name === first && !workload.alone ? [title, "to Segue's"] : [title];
    });
    const rows = cells.map((cell) => [
        cell.contestant.title,
        ...names.flatMap((name) => {
            const text = cellText(cell.figures[name], workload.figures[name][1], cell.reports.length);
            return name === first && !workload.alone ? [text, ratioText(cell, base, name)] : [text];
        }),
    ]);
    return `${workload.title}\n\n${align([["", ...titles], ...rows])}\n`;
}

function goalTable(cells) {
    const rows = goals(cells);
    return rows.length > 0 ? [`Goals\n\n${align([["", "measured", "goal", "reached"], ...rows])}\n`] : [];
}

export function tables(workloads, cells, { notes, versions, machine, when, command }) {
    const parts = workloads
        .map((workload) => [workload, cells.filter((cell) => cell.workload === workload && Object.keys(cell.figures).length > 0)])
        .filter(([, some]) => some.length > 0)
        .map(([workload, some]) => workloadTable(workload, some))
        .concat(goalTable(cells));
    const lines = [
        ...notes.map((note) => `- ${note}`),
        `- ${Object.values(versions).join(", ")}`,
        `- ${machine.cpu}, ${machine.system}; ${when}; ${command}`,
    ];
    return `${parts.join("\n")}\n${lines.join("\n")}\n`;
}
