// Copyright (c) 2026, The wsfleet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// The clients of npm: ws and Socket.IO's own, as programs use them. One line of JSON for each address.
//
// Usage: node node_client.js ws|socketio IP URL...          IP is where all names lead, whatever a resolver says
"use strict";

const dns = require("dns");
const { WebSocket } = require("ws");
const { io } = require("socket.io-client");

const [kind, address, ...urls] = process.argv.slice(2);
const SIZES = [128, 4 << 10, 16 << 10, 64 << 10, 1 << 20];
const MILLISECONDS = 60000;

dns.lookup = (name, options, callback) => {
    if (options.all) {
        callback(null, [{ address, family: 4 }]);
    } else {
        callback(null, address, 4);
    }
};

// The sizes of what comes back.
function converseByWebsocket(url) {
    return new Promise((resolve, reject) => {
        const heard = [];
        const socket = new WebSocket(url.replace("http", "ws"), { rejectUnauthorized: false });
        socket.on("error", (error) => reject(error));
        socket.on("open", () => SIZES.forEach((size) => socket.send("x".repeat(size))));
        socket.on("message", (message) => {
            heard.push(message.length);
            if (heard.length === SIZES.length) {
                socket.close();
                resolve(heard);
            }
        });
    });
}

// As it does by itself: it polls, and goes on by WebSocket. The port of the server before and after.
function converseBySocketio(url) {
    return new Promise((resolve, reject) => {
        const socket = io(url, { rejectUnauthorized: false, reconnection: false, forceNew: true });
        const echo = (size) => socket.emitWithAck("echo", "x".repeat(size));
        socket.on("connect_error", (error) => reject(error));
        socket.on("connect", async () => {
            const before = await echo(128);
            if (socket.io.engine.transport.name !== "websocket") {
                await new Promise((upgraded) => socket.io.engine.once("upgrade", upgraded));
            }
            const answers = [];
            for (const size of SIZES) {
                answers.push(await echo(size));
            }
            socket.close();
            resolve({
                sizes: answers.map((answer) => answer.message.length),
                transport: answers.at(-1).transport,
                ports: [...new Set([before, ...answers].map((answer) => answer.port))],
            });
        });
    });
}

async function main() {
    const results = await Promise.all(urls.map(kind === "ws" ? converseByWebsocket : converseBySocketio));
    results.forEach((result) => console.log(JSON.stringify(result)));
}

setTimeout(() => {
    console.error("nothing comes any more");
    process.exit(1);
}, MILLISECONDS).unref();
main().catch((error) => {
    console.error(error);
    process.exit(1);
});
