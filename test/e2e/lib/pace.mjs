// Pace: how many of something happened in any second, as far as that can be known from outside.
//
// What happened between `from` and `to` happened in a second for certain when that second holds both.

// events: [{from, to}], in milliseconds. The most that certainly happened within `span` milliseconds.
export function mostWithin(events, span = 1000) {
    const byStart = [...events].sort((a, b) => a.from - b.from);
    let most = 0;
    byStart.forEach(({ from }, first) => {
        let count = 0;
        for (let i = first; i < byStart.length && byStart[i].from < from + span; i++) {
            count += byStart[i].to < from + span ? 1 : 0;
        }
        most = Math.max(most, count);
    });
    return most;
}
