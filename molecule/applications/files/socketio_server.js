// Copyright (c) 2026, The wsfleet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Socket.IO as its own documentation has it: polling first, then a WebSocket. It hangs up on any other handshake.
"use strict";

const http = require("http");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const server = http.createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end('<!DOCTYPE html><title>Socket.IO</title><script src="/socket.io/socket.io.js"></script>');
});
const io = new Server(server, { maxHttpBufferSize: 4 << 20 });
io.on("connection", (socket) => {
    socket.on("echo", (message, acknowledge) => acknowledge({ message, port, transport: socket.conn.transport.name }));
});
server.listen(port);
