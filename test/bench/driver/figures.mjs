// Figures: what the reports of a cell's runs come to: medians with their spread, and ratios between cells.

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function valueOf(cell, name, round) {
    const report = cell.reports[round];
    return report && cell.workload.figures[name] ? cell.workload.figures[name][2](report) : undefined;
}

// {name: {median, least, most}} of the figures that could be worked out.
export function figuresOf(cell) {
    const figures = {};
    for (const name of Object.keys(cell.workload.figures)) {
        const values = cell.reports.map((_, round) => valueOf(cell, name, round)).filter(Number.isFinite);
        if (values.length > 0) {
            figures[name] = { median: median(values), least: Math.min(...values), most: Math.max(...values) };
        }
    }
    return figures;
}

// The median of the ratios of each round: what was measured one after the other is compared, whatever the machine did
// later. Undefined when there is no round with both.
export function ratioOf(cell, name, base, baseName = name) {
    const ratios = cell.reports
        .map((_, round) => valueOf(cell, name, round) / valueOf(base, baseName, round))
        .filter(Number.isFinite);
    return ratios.length > 0 ? median(ratios) : undefined;
}

// Half the distance between the extremes, in per cent of the median.
export function spread({ median, least, most }) {
    return median > 0 ? Math.round(((most - least) / 2 / median) * 100) : 0;
}

export function number(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
