# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django and Channels in one file: a form that is protected from other sites, and WebSockets of allowed hosts."""

from __future__ import annotations

import typing as t

import django
from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path

settings.configure(
    SECRET_KEY="known to all",
    ALLOWED_HOSTS=["channels.example"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    # Behind a proxy that sets this header itself, https is known as such. Without this a form over TLS is refused.
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
django.setup()


def show_form(request: HttpRequest) -> HttpResponse:
    """A form, and once it was sent what was in it."""
    if request.method == "POST":
        return HttpResponse(f"heard {request.POST['word']}")
    hidden = f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">'
    form = f'<form method="post">{hidden}<input name="word" value="hello"></form>'
    return HttpResponse(f"<!DOCTYPE html><title>Channels</title>{form}")


def show_address(request: HttpRequest) -> HttpResponse:
    """What Django takes its own address to be; without its last slash it sends clients there."""
    return HttpResponse(request.build_absolute_uri())


urlpatterns = [path("", show_form), path("address/", show_address)]


class Echo(WebsocketConsumer):
    """Says what it hears."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.send(text_data=text_data, bytes_data=bytes_data)


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AllowedHostsOriginValidator(URLRouter([path("ws", t.cast("t.Any", Echo.as_asgi()))])),
    }
)
