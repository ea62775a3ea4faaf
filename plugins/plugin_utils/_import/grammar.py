# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directives nginx has, where they may stand and what they take, as crossplane knows it."""

from __future__ import annotations

import functools
import sys
import typing as t

try:
    import crossplane
except ImportError:
    crossplane = None


class CrossplaneMissing(RuntimeError):
    """The optional library that reads nginx's files is not there."""

    def __init__(self) -> None:
        super().__init__(
            f"reading nginx's files requires the Python library crossplane on the controller: "
            f"{sys.executable} -m pip install crossplane"
        )


# What a block holds is a table with keys of the operator's.
TABLES = ("map", "geo", "types", "split_clients", "charset_map")
# Where a text may begin: the main context, or any of http's.
ANY = "any"
_BLOCKS = {
    ("any", "http"): "http",
    ("any", "events"): "events",
    ("any", "server"): "server",
    ("any", "upstream"): "upstream",
    ("any", "location"): "location",
    ("any", "if"): "if in location",
    ("any", "limit_except"): "limit_except",
    ("http", "server"): "server",
    ("http", "upstream"): "upstream",
    ("server", "location"): "location",
    ("server", "if"): "if in server",
    ("location", "location"): "location",
    ("location", "if"): "if in location",
    ("location", "limit_except"): "limit_except",
}
_MASKS = {
    "events": ("NGX_EVENT_CONF",),
    "http": ("NGX_HTTP_MAIN_CONF",),
    "server": ("NGX_HTTP_SRV_CONF",),
    "upstream": ("NGX_HTTP_UPS_CONF",),
    "location": ("NGX_HTTP_LOC_CONF",),
    "if in server": ("NGX_HTTP_SIF_CONF",),
    "if in location": ("NGX_HTTP_LIF_CONF",),
    "limit_except": ("NGX_HTTP_LMT_CONF",),
    ANY: (
        *("NGX_MAIN_CONF", "NGX_HTTP_MAIN_CONF", "NGX_HTTP_SRV_CONF", "NGX_HTTP_LOC_CONF", "NGX_HTTP_UPS_CONF"),
        "NGX_HTTP_LIF_CONF",
    ),
}
# Newer than crossplane: where each may stand, and how many arguments it takes.
_NEWER = {
    "http2": (("http", "server"), (1,)),
    "http3": (("http", "server"), (1,)),
    "ssl_reject_handshake": (("http", "server"), (1,)),
    "ssl_conf_command": (("http", "server"), (2,)),
    "keepalive_time": (("http", "server", "location", "upstream"), (1,)),
    "proxy_cookie_flags": (("http", "server", "location"), (1, 2, 3, 4)),
    "sticky": (("upstream",), (1, 2, 3, 4, 5, 6, 7)),
    "resolver": (("http", "server", "location", "upstream"), (1, 2, 3, 4, 5, 6)),
    "resolver_timeout": (("http", "server", "location", "upstream"), (1,)),
    "stub_status": (("server", "location"), (0, 1)),
    "ssl": (("http", "server"), (1,)),
    # Of modules that distributions have.
    "more_set_headers": (("http", "server", "location", "if in location"), (1, 2, 3, 4)),
    "more_clear_headers": (("http", "server", "location", "if in location"), (1, 2, 3, 4)),
    "more_set_input_headers": (("http", "server", "location", "if in location"), (1, 2, 3, 4)),
    "more_clear_input_headers": (("http", "server", "location", "if in location"), (1, 2, 3, 4)),
    "brotli": (("http", "server", "location"), (1,)),
    "brotli_types": (("http", "server", "location"), tuple(range(1, 60))),
    "brotli_comp_level": (("http", "server", "location"), (1,)),
    "brotli_static": (("http", "server", "location"), (1,)),
}
_MANY = 999


class _Form(t.NamedTuple):
    """One way to write a directive."""

    contexts: frozenset[str]
    is_block: bool
    least: int
    most: int
    counts: frozenset[int]
    is_flag: bool


@functools.cache
def _forms() -> dict[str, tuple[_Form, ...]]:
    analyzer = library().analyzer
    masks = {context: [getattr(analyzer, name) for name in names] for context, names in _MASKS.items()}

    def form(mask: int) -> _Form:
        contexts = frozenset(name for name, of in masks.items() if any(mask & one for one in of))
        counts = {number for number in range(8) if mask >> number & 1}
        least = 2 if mask & analyzer.NGX_CONF_2MORE else 1 if mask & analyzer.NGX_CONF_1MORE else 0
        more = mask & (analyzer.NGX_CONF_ANY | analyzer.NGX_CONF_1MORE | analyzer.NGX_CONF_2MORE)
        is_flag = bool(mask & analyzer.NGX_CONF_FLAG)
        return _Form(
            contexts,
            bool(mask & analyzer.NGX_CONF_BLOCK),
            least,
            _MANY if more else -1,
            frozenset(counts | ({1} if is_flag else set())),
            is_flag,
        )

    found = {name: tuple(map(form, masks_of)) for name, masks_of in analyzer.DIRECTIVES.items()}
    for name, (contexts, counts) in _NEWER.items():
        if name not in found:
            newer = _Form(frozenset({*contexts, ANY}), False, 0, -1, frozenset(counts), False)
            found[name] = (newer,)
    return found


def library() -> t.Any:
    """The module crossplane, which is not needed by anything else of the collection."""
    if crossplane is None:
        raise CrossplaneMissing
    return crossplane


def is_known(name: str) -> bool:
    return name in _forms()


def is_allowed(name: str, context: str) -> bool:
    """Whether a directive may stand in a context; all may where nothing is known of it."""
    if context not in _MASKS:
        return True
    return any(context in form.contexts for form in _forms().get(name, ()))


def opens_only(name: str, context: str) -> bool:
    """Whether a directive always has a block there."""
    forms = [form for form in _forms().get(name, ()) if context in form.contexts]
    return bool(forms) and all(form.is_block for form in forms)


def can_open(name: str, context: str) -> bool:
    if name.endswith("_by_lua_block"):
        return True
    return any(form.is_block and context in form.contexts for form in _forms().get(name, ()))


def is_open_ended(name: str, context: str) -> bool:
    """Whether a directive takes any number of arguments."""
    return any(form.most == _MANY and context in form.contexts for form in _forms().get(name, ()))


def takes(name: str, args: t.Sequence[str], context: str, *, opens: bool) -> bool:
    """Whether a directive with these arguments and with a block or without is one that nginx takes there."""
    number = len(args)
    for form in _forms().get(name, ()):
        if context not in form.contexts or form.is_block is not opens:
            continue
        if number in form.counts:
            return not form.is_flag or args[0].lower() in ("on", "off") or "$" in args[0] or "<" in args[0]
        if form.most == _MANY and number >= form.least:
            return True
    # Of these nginx counts the words of the condition or the modifier.
    return name == "if" and opens and number > 0


def inside(name: str, context: str) -> str:
    """The context of what a block holds."""
    if name in TABLES:
        return "table"
    return _BLOCKS.get((context, name), "unknown")


@functools.cache
def nearest(name: str, context: str, *, opens: bool) -> str | None:
    """The directive that was meant by one that nginx does not know, if it is one or two slips away."""
    plain = name.rstrip(":").replace("-", "_").lower()
    known = [one for one in _forms() if is_allowed(one, context) and (can_open(one, context) if opens else True)]
    if plain in known:
        return plain
    most = 2 if len(plain) >= 8 else 1
    if len(plain) < 3 or plain.startswith(("brotli", "more_", "lua_", "js_", "vhost_traffic", "modsecurity", "geoip2")):
        return None
    best, least = None, most + 1
    for one in sorted(known):
        if abs(len(one) - len(plain)) <= most and one[0] == plain[0]:
            slips = distance(plain, one, least)
            if slips < least:
                best, least = one, slips
    return best


def distance(one: str, other: str, enough: int) -> int:
    """How many letters are wrong, missing, added or exchanged; any number from `enough` on is the same."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before = before, row
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) >= enough:
            return enough
    return row[-1]
