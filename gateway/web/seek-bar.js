// SeekBar: the slider of a track's position. While a finger or a key is moving it, the position is theirs; it is sent
// when it rests.

const SETTLES_MS = 120;
const KEY_STEPS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };

export class SeekBar {
    #input;
    #onSeek;
    #timer = 0;
    #moving = false;

    // onSeek(seconds): where it came to rest.
    constructor(input, onSeek) {
        this.#input = input;
        this.#onSeek = onSeek;
        input.addEventListener("input", () => this.#seekSoon());
        input.addEventListener("change", () => this.#seekSoon());
        input.addEventListener("keydown", (event) => this.#seekByKey(event));
    }

    // Where the track is, unless somebody is moving it; gives the seconds that it shows.
    show(seconds) {
        if (this.#moving) {
            return Number(this.#input.value);
        }
        this.#input.value = seconds;
        return seconds;
    }

    #seekSoon() {
        clearTimeout(this.#timer);
        this.#moving = true;
        this.#timer = setTimeout(() => {
            this.#moving = false;
            this.#onSeek(Number(this.#input.value));
        }, SETTLES_MS);
    }

    #seekByKey(event) {
        const step = KEY_STEPS[event.key];
        if (step !== undefined && !event.altKey && !event.ctrlKey && !event.metaKey) {
            event.preventDefault();
            this.#input.value = Number(this.#input.value) + step;
            this.#seekSoon();
        }
    }
}
