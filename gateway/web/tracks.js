// The queue of the demonstration: tracks and artists that do not exist, on a playlist that does not either.
//
// `cover` names a view in covers.svg and a tone in player.css.

export const PLAYLIST = { kind: "playlist", id: 7, title: "Slow Rivers" };

export const TRACKS = [
    { id: 1, title: "Low Tide Letters", artist: "Marlow Finchley", album: "Harbour Lamps", seconds: 214, cover: "tide" },
    { id: 2, title: "Paper Satellites", artist: "The Quiet Orrery", album: "Small Orbits", seconds: 245, cover: "orbit" },
    { id: 3, title: "Saffron Morning", artist: "Ines Caldera Trio", album: "Warm Stones", seconds: 178, cover: "saffron" },
    { id: 4, title: "Glass Orchard", artist: "Otto & the Lanternists", album: "Greenhouse", seconds: 227, cover: "orchard" },
    { id: 5, title: "Night Bus Home", artist: "Velvet Interchange", album: "Last Stop Aurora", seconds: 312, cover: "night" },
    { id: 6, title: "Snow on the Wire", artist: "Halden Row", album: "Telegraph Hills", seconds: 201, cover: "snow" },
];

// What another client plays need not be in our queue: its id is all that is known of it.
export function findTrack(id) {
    const known = TRACKS.find((track) => String(track.id) === String(id));
    return known ?? { id, title: `Track ${id}`, artist: "Not in this queue", album: "", seconds: 300, cover: "unknown" };
}

// The queue goes round; from a track that is not in it, to its first or last one.
export function trackAfter(id, step = 1) {
    const index = TRACKS.findIndex((track) => String(track.id) === String(id));
    if (index < 0) {
        return TRACKS.at(step > 0 ? 0 : -1);
    }
    return TRACKS[(index + step + TRACKS.length) % TRACKS.length];
}

// The heights (0 to 1) of a track's bars: no sound behind them, but the same ones on every device.
export function waveOf(track, bars) {
    let seed = [...String(track.id)].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 2463534242);
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
