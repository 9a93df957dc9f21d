// Figures: what the reports of a cell's runs come to: medians with their spread, ratios to Segue.

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// {name: {median, least, most}} of the figures that could be worked out.
export function figuresOf(workload, reports) {
    const figures = {};
    for (const [name, [, , read]] of Object.entries(workload.figures)) {
        const values = reports.map(read).filter((value) => Number.isFinite(value));
        if (values.length > 0) {
            figures[name] = { median: median(values), least: Math.min(...values), most: Math.max(...values) };
        }
    }
    return figures;
}

// Half the distance between the extremes, in per cent of the median.
export function spread({ median, least, most }) {
    return median > 0 ? Math.round(((most - least) / 2 / median) * 100) : 0;
}

export function number(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
