// Look: what can be measured of how a page looks: does it fit, can it be read, can a finger hit it?

export const READABLE = 4.5; // WCAG 2, level AA

// By how many pixels a page is wider than its window.
export function overflow({ page }) {
    return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth));
}

// The contrast of an element's letters, as WCAG counts it, to a colour in CSS's words, worked out inside the nearest
// `ground` around the element; without a colour, to the background of that ground.
export function contrast(locator, ground, colour = "") {
    return locator.evaluate(
        (node, [selector, words]) => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const rgb = (text) => {
                canvas.clearRect(0, 0, 1, 1);
                canvas.fillStyle = text;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const light = (text) => {
                const [r, g, b] = rgb(text)
                    .map((value) => value / 255)
                    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const around = node.closest(selector);
            const probe = document.createElement("i");
            probe.style.setProperty("background-color", words);
            around.append(probe);
            const behind = getComputedStyle(words ? probe : around).backgroundColor;
            probe.remove();
            const [low, high] = [light(getComputedStyle(node).color), light(behind)].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
        },
        [ground, colour],
    );
}

// The names of the buttons and links that are too small for a finger: WCAG 2.2 asks for 24 pixels each way.
export function tooSmall({ page }, least = 24) {
    return page.$$eval(
        "button, a, summary, input, select, textarea",
        (nodes, size) =>
            nodes
                .filter((node) => node.checkVisibility() && node.closest("p:not(.calls, .who, .by)") === null)
                .map((node) => [node, node.getBoundingClientRect()])
                .filter(([node, box]) => (box.width < size || box.height < size) && node.type !== "checkbox")
                .map(([node, box]) => `${node.textContent.trim() || node.ariaLabel} ${box.width}x${box.height}`),
        least,
    );
}
