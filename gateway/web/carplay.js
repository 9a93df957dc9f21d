// The page of both: a web player on a WebSocket and a car on Socket.IO, of the same user.

import { hearCommands } from "./commands.js";
import { Device } from "./device.js";
import { DeviceView } from "./device-view.js";
import { Gate } from "./gate.js";
import { HeadUnit } from "./head-unit.js";
import { HeadUnitView } from "./head-unit-view.js";
import "./icons.js";
import { $, setText } from "./page.js";

let stage = null; // {device, deviceView, unit, unitView, ear}

const gate = new Gate({
    question: "Who is driving?",
    reason: "Player and car need a token that says whose they are.",
    greeting: "Driving as",
    onEnter(token) {
        const device = new Device({
            name: "Web player",
            kind: "laptop",
            token,
            onChange: draw,
        });
        const unit = new HeadUnit({ token, onChange: draw });
        const ear = hearCommands({
            token,
            onCommand: (command) => device.obey(command),
            onStatus: draw,
        });
        stage = { device, unit, ear, deviceView: new DeviceView(device), unitView: new HeadUnitView(unit) };
        $("web").replaceChildren(stage.deviceView.root);
        $("car").replaceChildren(stage.unitView.root);
        $("stage").hidden = false;
        device.open();
        unit.open();
    },
    onLeave() {
        const { device, unit, ear } = stage;
        stage = null;
        device.close();
        unit.close();
        ear.disconnect();
        $("stage").hidden = true;
    },
});

function draw() {
    if (!stage) {
        return;
    }
    const { device, deviceView, unit, unitView, ear } = stage;
    deviceView.draw();
    unitView.draw();
    drawStep();
    [device.link, unit.link, ear].forEach((link) => gate.hear(link));
}

function drawStep() {
    if (!stage) {
        return;
    }
    const { device, unit } = stage;
    const both = device.online && unit.online;
    const same = device.playing === unit.playing && String(device.state?.trackId) === String(unit.state?.mediaId);
    const apart = Math.round(Math.abs(device.position - unit.position) * 1000);
    $("step").dataset.mood = both && same ? "on" : "off";
    if (!both) {
        setText($("step"), "Not both are online");
    } else if (!same) {
        setText($("step"), "Catching up");
    } else {
        setText($("step"), device.state ? `In step, ${apart} ms apart` : "Both online, nothing plays yet");
    }
}

function animate() {
    stage?.deviceView.tick();
    stage?.unitView.tick();
    requestAnimationFrame(animate);
}

gate.begin();
requestAnimationFrame(animate);
setInterval(drawStep, 500);
