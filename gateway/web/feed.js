// The feed's page: a topic, and one connection or several that listen to it.

import { Gate } from "./gate.js";
import "./icons.js";
import { $ } from "./page.js";
import { Topic } from "./topic.js";
import { TopicView } from "./topic-view.js";

const MOST = 6;
const NAME = /^[\w-]{1,64}$/;
const STANDARD = "wisdom";

const entries = new Map(); // topic -> view
let made = 0;

const gate = new Gate({
    optional: true,
    question: "Who is reading?",
    reason: "The feed may do without a token, unless the gateway was told otherwise.",
    greeting: "Reading as",
    onEnter: enter,
    onLeave: leave,
});

function enter() {
    $("stage").hidden = false;
    $("topic").value = topicInAddress();
    add();
}

function leave() {
    for (const topic of [...entries.keys()]) {
        remove(topic);
    }
    made = 0;
    $("stage").hidden = true;
}

function topicInAddress() {
    const name = new URLSearchParams(location.hash.slice(1)).get("topic") ?? "";
    return NAME.test(name) ? name : STANDARD;
}

function add() {
    if (entries.size >= MOST) {
        return null;
    }
    made += 1;
    const topic = new Topic({ topic: $("topic").value, token: gate.token, onChange });
    const view = new TopicView(topic, { name: `Connection ${made}`, onRemove: () => remove(topic) });
    entries.set(topic, view);
    $("topics").append(view.root);
    topic.open();
    drawPage();
    return topic;
}

function remove(topic) {
    topic.close();
    entries.get(topic).root.remove();
    entries.delete(topic);
    drawPage();
}

// Another topic: all connections are made anew, and subscribe when one was subscribed.
function follow(event) {
    event.preventDefault();
    const wanted = [...entries.keys()].some((topic) => topic.isWanted);
    const count = Math.max(1, entries.size);
    leave();
    $("stage").hidden = false;
    const params = new URLSearchParams(location.hash.slice(1));
    params.set("topic", $("topic").value);
    history.replaceState(null, "", `#${params}`);
    for (let i = 0; i < count; i++) {
        const topic = add();
        if (wanted) {
            topic.subscribe();
        }
    }
}

function onChange(topic) {
    entries.get(topic)?.draw();
    gate.hear(topic.link);
}

function drawPage() {
    $("add").setAttribute("aria-disabled", String(entries.size >= MOST));
}

$("topic-form").addEventListener("submit", follow);
$("add").addEventListener("click", add);
setInterval(() => entries.forEach((view) => view.tick()), 200);
gate.begin();
