// Patience: how long a test waits before it calls something broken.
//
// Nothing here makes a passing test slower: waits end when what they wait for is there. SEGUE_TEST_SLOW=10 says that
// the binary is ten times slower than usual (sanitizers, valgrind), and stretches every limit.

export const SLOW = Number(process.env.SEGUE_TEST_SLOW ?? 1);

const USUAL_MS = 8000;

export function patient(ms = USUAL_MS) {
    return Math.ceil(ms * SLOW);
}

export function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

function textOf(what) {
    return typeof what === "function" ? what() : what;
}

// The promise's result, or an error that says what did not come. `what` may be a function, worked out when it fails.
export async function within(promise, what, ms = patient()) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new Error(`no ${textOf(what)} within ${ms} ms`));
        }, ms);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

// Asks again and again until the answer is true; gives the answer. An error counts as "not yet".
export async function until(check, what, ms = patient(), every = 20) {
    const end = Date.now() + ms;
    let last = "it never held";
    for (;;) {
        try {
            const answer = await check();
            if (answer) {
                return answer;
            }
            last = `last answer: ${JSON.stringify(answer)}`;
        } catch (error) {
            last = error.message;
        }
        if (Date.now() > end) {
            throw new Error(`${textOf(what)}: not within ${ms} ms (${last})`);
        }
        await sleep(every);
    }
}

// Calls `one` for 0..count-1, at most `together` at once.
export async function crowd(count, one, together = 100) {
    const results = [];
    let next = 0;
    const worker = async () => {
        while (next < count) {
            const number = next++;
            results[number] = await one(number);
        }
    };
    await Promise.all(Array.from({ length: together }, worker));
    return results;
}
