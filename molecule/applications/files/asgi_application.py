# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ASGI application on Starlette and Uvicorn, with a session, many cookies and response headers as large as asked."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

# What browsers keep for one name, RFC 6265 section 6.1, is 50 cookies of 4 kB.
COOKIES = 20


async def page(request: Request) -> Response:
    return HTMLResponse(f"<!DOCTYPE html><title>ASGI</title><p>{request.base_url}</p>")


async def echo_request(request: Request) -> Response:
    """Answer with the request's headers, and its body's size."""
    return JSONResponse({"headers": dict(request.headers), "bytes": len(await request.body())})


async def set_cookies(_request: Request) -> Response:
    response = Response(status_code=204)
    for number in range(COOKIES):
        response.set_cookie(f"cookie{number}", str(number) * 100, secure=False, httponly=True)
    return response


async def count_visits(request: Request) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse(request.session["visits"])


async def answer_at_length(request: Request) -> Response:
    """Answer with a header of so many bytes."""
    return Response("at length", headers={"X-Long": "x" * int(request.query_params["bytes"])})


async def echo(websocket: WebSocket) -> None:
    """Say what it hears, after a handshake that is answered with a header of so many bytes."""
    size = int(websocket.query_params.get("bytes", 0))
    await websocket.accept(headers=[(b"x-long", b"x" * size)] if size else [])
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await websocket.send({**message, "type": "websocket.send"})
    except WebSocketDisconnect:
        return


application = Starlette(
    routes=[
        Route("/", page),
        Route("/request", echo_request, methods=["GET", "POST"]),
        Route("/cookies", set_cookies),
        Route("/visits", count_visits),
        Route("/long", answer_at_length),
        WebSocketRoute("/ws", echo),
        # Starlette sends /rooms to /rooms/, by the whole address.
        Mount("/rooms", routes=[Route("/", page)]),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="known to all")],
)
