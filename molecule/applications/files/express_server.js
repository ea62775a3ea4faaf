// Copyright (c) 2026, The wsfleet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Express with helmet, sessions in a cookie and `ws`, whose handshakes are for those who have a session.
"use strict";

const http = require("http");
const express = require("express");
const helmet = require("helmet");
const session = require("express-session");
const { WebSocketServer } = require("ws");

const application = express();
// Behind one proxy: X-Forwarded-Proto and X-Forwarded-For are believed. Without this no secure cookie is set.
application.set("trust proxy", 1);
// helmet's own policy has browsers use TLS alone for all that a page loads, its WebSockets too.
application.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
application.use(
    session({ secret: "known to all", resave: false, saveUninitialized: false, cookie: { secure: "auto" } })
);
application.get("/", (request, response) => {
    response.type("html").send(`<!DOCTYPE html><title>Express</title><p>${request.protocol}://${request.host}</p>`);
});
application.post("/login", (request, response) => {
    request.session.user = "somebody";
    // A single page with its state in the address: the header of this response is larger than nginx's own 4 kB.
    response.redirect(303, `/?state=${"x".repeat(Number(request.query.bytes || 1100))}`);
});
// What auth_request asks.
application.get("/session", (request, response) => response.sendStatus(request.session.user ? 204 : 401));
application.get("/long", (request, response) => {
    response.set("X-Long", "x".repeat(Number(request.query.bytes))).send("at length");
});
application.get("/address", (request, response) => {
    response.json({ protocol: request.protocol, host: request.get("host"), client: request.ip });
});

const server = http.createServer({ maxHeaderSize: 65536 }, application);
// As ws has it: it agrees to the first subprotocol that is offered. An Origin is nothing that it asks for.
const sockets = new WebSocketServer({ server, path: "/ws" });
sockets.on("headers", (headers, request) => {
    const size = Number(new URL(request.url, "http://x").searchParams.get("bytes"));
    if (size) {
        headers.push(`X-Long: ${"x".repeat(size)}`);
    }
});
sockets.on("connection", (socket) => {
    socket.on("message", (message, binary) => socket.send(message, { binary }));
});
server.listen(Number(process.argv[2]));
