// The queue of the demonstration: tracks and artists that do not exist, on a playlist that does not either.
//
// `cover` names a view in covers.svg and a tone in player.css.

export const PLAYLIST = { kind: "playlist", id: 7, title: "Slow Rivers" };

export const TRACKS = [
    track(1, "Low Tide Letters", "Marlow Finchley", "Harbour Lamps", 214, "tide"),
    track(2, "Paper Satellites", "The Quiet Orrery", "Small Orbits", 245, "orbit"),
    track(3, "Saffron Morning", "Ines Caldera Trio", "Warm Stones", 178, "saffron"),
    track(4, "Glass Orchard", "Otto & the Lanternists", "Greenhouse", 227, "orchard"),
    track(5, "Night Bus Home", "Velvet Interchange", "Last Stop Aurora", 312, "night"),
    track(6, "Snow on the Wire", "Halden Row", "Telegraph Hills", 201, "snow"),
];

function track(id, title, artist, album, seconds, cover) {
    return { id, title, artist, album, seconds, cover };
}

// What another client plays need not be in our queue: its id is all that is known of it.
export function findTrack(id) {
    const known = TRACKS.find((one) => String(one.id) === String(id));
    return known ?? track(id, `Track ${id}`, "Not in this queue", "", 300, "unknown");
}

// The queue goes round; from a track that is not in it, to its first or last one.
export function trackAfter(id, step = 1) {
    const index = TRACKS.findIndex((one) => String(one.id) === String(id));
    if (index < 0) {
        return TRACKS.at(step > 0 ? 0 : -1);
    }
    return TRACKS[(index + step + TRACKS.length) % TRACKS.length];
}

// The heights (0 to 1) of a track's bars: no sound behind them, but the same ones on every device.
export function waveOf({ id }, bars) {
    let seed = [...String(id)].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 2463534242);
    const random = () => {
        seed ^= seed << 13;
        seed ^= seed >>> 17;
        seed ^= seed << 5;
        return (seed >>> 0) / 2 ** 32;
    };
    const slow = 2 + random() * 3;
    const phase = random() * Math.PI;
    return Array.from({ length: bars }, (_, bar) => {
        const at = bar / (bars - 1);
        const swell = 0.5 + 0.3 * Math.sin(at * Math.PI * slow + phase);
        const edge = Math.min(1, at * 12 + 0.2, (1 - at) * 8 + 0.15);
        return Math.max(0.08, edge * (swell * 0.65 + random() * 0.45));
    });
}
