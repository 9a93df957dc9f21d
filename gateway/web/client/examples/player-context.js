// A PlayerContext for React: one player for the whole application, and a hook that follows it.
//
//   <PlayerProvider options={{ url: "https://gateway.example", token }}>
//       <NowPlaying />
//   </PlayerProvider>
//
//   function NowPlaying() {
//       const { playing, position, toggle } = usePlayer();
//       return <button onClick={toggle}>{playing ? "Pause" : "Play"} at {Math.floor(position)} s</button>;
//   }

import { createContext, createElement, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { carplay, player } from "segue"; // or "https://gateway.example/segue.js"

const PlayerContext = createContext(null);

// The objects are made once, with the options of the first time; the connections live as long as the provider is shown.
export function PlayerProvider({ options, onCommand, children }) {
    const [device] = useState(() => player(options));
    const [service] = useState(() => carplay(options));
    useEffect(() => {
        device.connect();
        return () => device.disconnect();
    }, [device]);
    useEffect(() => {
        service.connect(undefined, onCommand);
    }, [service, onCommand]);
    useEffect(() => () => service.disconnect(), [service]);
    return createElement(PlayerContext.Provider, { value: device }, children);
}

// What plays, where it is, and the commands. While it plays, the position is drawn anew `every` milliseconds.
export function usePlayer({ every = 250 } = {}) {
    const device = useContext(PlayerContext);
    const state = useSyncExternalStore(
        (changed) => device.on("state", changed),
        () => device.state,
    );
    const status = useSyncExternalStore(
        (changed) => device.on("status", changed),
        () => device.status,
    );
    const [, draw] = useState(0);
    const playing = state !== null && !state.paused;
    useEffect(() => {
        if (playing) {
            const timer = setInterval(() => draw((count) => count + 1), every);
            return () => clearInterval(timer);
        }
    }, [playing, every]);
    const commands = useMemo(
        () => ({
            play: () => device.play(),
            pause: () => device.pause(),
            toggle: () => device.toggle(),
            seek: (seconds) => device.seek(seconds),
            newTrack: (track) => device.newTrack(track),
        }),
        [device],
    );
    return { state, status, playing, position: device.position, ...commands };
}
