# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single values. Each returns the value in its completed form, or None after it has noted an error."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import (
    Errors,
    described,
    kind,
    repeated,
    shown,
)

# RFC 1123 section 2.1, and the underscore that container and inventory names use.
HOST_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# https://nginx.org/en/docs/syntax.html: a time that nginx counts in seconds, and one that it counts in milliseconds.
SECONDS = re.compile(r"(?=[0-9])" + "".join(rf"(?:[0-9]{{1,9}}{unit} ?)?" for unit in ("w", "d", "h", "m", "s?")))
_MILLISECONDS = re.compile(rf"(?=[0-9])(?:{SECONDS.pattern})?(?:[0-9]{{1,9}}ms)?")
_SIZE = re.compile(r"[1-9][0-9]{0,5}[kKmM]?")
_LARGE_SIZE = re.compile(r"[0-9]{1,9}[kKmMgG]?")

_SERVER_NAME = re.compile(
    rf"_|\[[0-9a-fA-F:.]+\]|(?:\*\.|\.)?{HOST_LABEL}(?:\.{HOST_LABEL})*|{HOST_LABEL}(?:\.{HOST_LABEL})*\.\*|~[^\x00-\x1f\x7f]+"
)
_HOST_NAME = re.compile(rf"{HOST_LABEL}(?:\.{HOST_LABEL})*")
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# nginx's proxy_headers_hash_bucket_size is 64 bytes, 16 of them its own.
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]{1,46}")
_LOCATION = re.compile(r"(?:(=|\^~|~\*|~) *)?([^\x00-\x1f\x7f]+)")
# nginx compares locations with a path that has none of these any more.
_NEVER_MATCHES = re.compile(r"\?|//|/\.\.?(?:/|$)")
_ABSOLUTE_PATH = re.compile(r"/.+")
_ROUTE = re.compile(r"[A-Za-z0-9_.-]{1,32}")
# RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^/\s\x00-\x20\x7f]+")
# As a browser sends it: in lower case, and without the port that the scheme has anyway.
_EXACT_ORIGIN = re.compile(r"null|(?!https://\S*:443$|http://\S*:80$)[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")
# https://nginx.org/en/docs/http/ngx_http_limit_req_module.html#limit_req_zone
_RATE = re.compile(r"(?P<number>[1-9][0-9]{0,5})r/[sm](?: burst=(?P<burst>[0-9]{1,6}))?")
# RFC 6797 section 6.1, and what browsers' own lists ask for.
_HSTS = re.compile(r"max-age=[0-9]{1,10}(?:; includeSubDomains)?(?:; preload)?")
# Two years, as in Mozilla's guidelines.
_HSTS_VALUE = "max-age=63072000"
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----\n.*-----END [A-Z0-9 ]+-----\n*", re.DOTALL)
_REQUEST_PATH = re.compile(r"/[!-\"$-~]*")
_HEALTH_PATH = re.compile(r"/[A-Za-z0-9_./-]+")
# A host of the inventory, a name, or an address with its port or without.
_MACHINE = re.compile(r"[A-Za-z0-9_./:\[\]-]+")
_PERCENT = re.compile(r"[1-9][0-9]?%|100%")
_LOG_FORMAT = re.compile(
    rf"|[A-Za-z0-9_-]+(?: (?:buffer={_SIZE.pattern}|gzip(?:=[1-9])?|flush=(?:{_MILLISECONDS.pattern})|if=.+))*"
)
_STICKY = {
    "cookie": re.compile(
        rf"[A-Za-z0-9_-]+(?: (?:expires=(?:max|{SECONDS.pattern})|domain=\S+|path=\S+|samesite=\S+|httponly|secure))*"
    ),
    "route": re.compile(r"\$\S+(?: \$\S+)*"),
    "learn": re.compile(
        r"(?=.*\bcreate=)(?=.*\blookup=)(?=.*\bzone=)(?:(?:(?:create|lookup)=\$\S+|zone=[A-Za-z0-9_.-]+:[0-9]+[kKmM]"
        rf"|timeout=(?:{SECONDS.pattern})|header|sync)(?: |$))+"
    ),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TEXT_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
REDIRECTS = (301, 302, 303, 307, 308)
_STATUS = range(200, 600)
# A word may fill nginx's buffer of 4096 bytes (src/core/ngx_conf_file.c) even where each byte is escaped.
_LONGEST_WORD = 2000
# RFC 1035 section 2.3.4.
_LONGEST_NAME = 253
# With a scheme and a port beside the name; nginx's maps have buckets for them.
_LONGEST_ORIGIN = 300

STATES = ("present", "absent")
SSL_POLICIES = ("intermediate", "modern")
_OPENSSL = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]{1,3}[a-z]{0,2})?(?:-[A-Za-z0-9.-]+)?")
# https://www.debian.org/doc/debian-policy/ch-controlfields.html#version; rpm's are alike.
_PACKAGE_VERSION = re.compile(r"[0-9][A-Za-z0-9.+:~_-]*")
VERIFY_FAIL_ON = ("errors", "warnings")
BLACKBOX_PROBERS = ("tcp", "websocket")
GUARDS = ("exchange", "defer", "ignore")
PROBE_POLICIES = ("rollback", "fail", "warn", "skip")
# Beyond that nginx would need more memory for its connections alone than hosts have.
_MOST_SOCKETS = 10_000_000
BALANCES = ("round_robin", "least_conn", "ip_hash", "random", "hash", "sticky", "least_time")
_PLAIN_BALANCES: dict[str, set[tuple[str, ...]]] = {
    "round_robin": {()},
    "least_conn": {()},
    "ip_hash": {()},
    "random": {(), ("two",), ("two", "least_conn")},
    "least_time": {("header",), ("last_byte",), ("header", "inflight"), ("last_byte", "inflight")},
}


@dataclass(frozen=True)
class LocationPath:
    """The text of a location: an optional modifier, and a path or a regular expression."""

    modifier: str
    path: str

    @property
    def is_regex(self) -> bool:
        return self.modifier in ("~", "~*")

    def __str__(self) -> str:
        return f"{self.modifier} {self.path}" if self.modifier else self.path


@dataclass(frozen=True)
class Return:
    """The value of return: a status, and the body or the address of a redirect."""

    status: int
    text: str | None = None


@dataclass(frozen=True)
class Rate:
    """How many may come, in nginx's words, and how many of them at once."""

    rate: str
    burst: int


@dataclass(frozen=True)
class Certificate:
    """A certificate or a key: its path on the gateway, or none where it is a text to be delivered.

    The text itself is not kept, for the model becomes a fact of the host.
    """

    path: str | None


@dataclass(frozen=True)
class Zone:
    """The value of zone: its size, and the zone's name where it is not that of the upstream."""

    size: str
    name: str | None = None


_T = t.TypeVar("_T")


def each(
    items: t.Sequence[object], path: str, errors: Errors, check: t.Callable[[object, str, Errors], _T | None]
) -> tuple[_T, ...] | None:
    """The items of a list, each checked, or None where one of them has an error."""
    checked = [check(item, f"{path}[{index}]", errors) for index, item in enumerate(items)]
    return None if None in checked else tuple(item for item in checked if item is not None)


def one_or_more(
    value: object, path: str, errors: Errors, check: t.Callable[[object, str, Errors], _T | None], need: str
) -> tuple[_T, ...] | None:
    """A value or a list of them that is not empty."""
    if not isinstance(value, list):
        checked = check(value, path, errors)
        return None if checked is None else (checked,)
    if not value:
        errors.add(path, f"must not be empty: {need}")
        return None
    # The sound ones alone, so that one error hides no other.
    items = [check(item, f"{path}[{index}]", errors) for index, item in enumerate(value)]
    return tuple(item for item in items if item is not None) or None


def text(value: object, path: str, errors: Errors) -> str | None:
    """A string that can be one word of nginx's file, line breaks and tabs included."""
    given = block(value, path, errors)
    if given is None or len(given.encode()) <= _LONGEST_WORD:
        return given
    errors.add(path, f"{shown(given)} is longer than {_LONGEST_WORD} bytes")
    return None


def block(value: object, path: str, errors: Errors) -> str | None:
    """A string of any length."""
    return _string(_TEXT_CONTROL, value, path, errors, show=True)


def secret(value: object, path: str, errors: Errors) -> str | None:
    """A string of one line, which no message shows."""
    return _string(_CONTROL, value, path, errors, show=False)


def line(value: object, path: str, errors: Errors) -> str | None:
    """A string without control characters, in which nginx reads variables."""
    given = text(value, path, errors)
    if given is None:
        return None
    if _CONTROL.search(given):
        errors.add(path, f"{shown(given)} contains a control character")
    elif not nginx_syntax.variables_are_sound(given):
        errors.add(path, f"{shown(given)} contains a '$' that starts no variable; nginx has no way to escape it")
    else:
        return given
    return None


def plain_text(value: object, path: str, errors: Errors) -> str | None:
    """A string without control characters and variables."""
    given = line(value, path, errors)
    if given is None or "$" not in given:
        return given
    errors.add(path, f"{shown(given)} contains a variable, which is not allowed here")
    return None


def words_of(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The words of a value in nginx's syntax, quotes taken off."""
    given = text(value, path, errors)
    if given is None:
        return None
    try:
        found = nginx_syntax.words(given)
    except nginx_syntax.NginxSyntaxError as error:
        errors.add(path, f"{shown(given)} {error}")
        return None
    if not found:
        errors.add(path, "must not be empty")
    checked = [line(word, path, errors) for word in found]
    return None if None in checked or not found else tuple(found)


def route(value: object, path: str, errors: Errors) -> str | None:
    return matching(_ROUTE, "a valid route: up to 32 letters, digits, '_', '.' and '-'", value, path, errors)


def subprotocol(value: object, path: str, errors: Errors) -> str | None:
    return matching(_TOKEN, "a valid subprotocol: one word without separators", value, path, errors)


def origin(value: object, path: str, errors: Errors) -> str | None:
    return matching(_ORIGIN, "an origin as browsers send it, such as https://www.example.com", value, path, errors)


def allowed_origins(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """Origins to the letter, or '*' for all; nothing between them, for patterns are how the wrong ones get in."""
    if value == "*":
        return ("*",)
    need = "list the origins of the pages that may open WebSockets, or write '*' for all"
    if not isinstance(value, list):
        errors.add(path, f"must be a list or '*', not {described(value)}: {need}")
        return None
    found = one_or_more(value, path, errors, _exact_origin, need) or ()
    # nginx takes no map with the same string twice.
    for item in repeated(found):
        errors.add(path, f"{shown(item)} is listed more than once")
    return found or None


def _exact_origin(value: object, path: str, errors: Errors) -> str | None:
    meaning = "an exact origin as browsers send it, such as https://www.example.com or https://localhost:8443"
    given = matching(_EXACT_ORIGIN, meaning, value, path, errors)
    if given is None or len(given) <= _LONGEST_ORIGIN:
        return given
    errors.add(path, f"{shown(given)} is longer than {_LONGEST_ORIGIN} characters, the limit for origins")
    return None


def rate(value: object, path: str, errors: Errors) -> Rate | None:
    """A rate of nginx, and how many may come at once: by default as many as in one of its units of time."""
    given = matching(_RATE, "a rate, such as 5r/s, 30r/m or '5r/s burst=20'", value, path, errors)
    found = _RATE.fullmatch(given or "")
    if given is None or found is None:
        return None
    return Rate(given.partition(" ")[0], int(found["burst"] or found["number"]))


def hsts(value: object, path: str, errors: Errors) -> str | None:
    """The value of Strict-Transport-Security; '' for none."""
    if isinstance(value, bool):
        return _HSTS_VALUE if value else ""
    meaning = "true, false or a header value, such as 'max-age=63072000; includeSubDomains; preload'"
    return matching(_HSTS, meaning, value, path, errors)


def certificate(value: object, path: str, errors: Errors) -> Certificate | None:
    return _pem_or_path("CERTIFICATE", "a certificate", value, path, errors)


def private_key(value: object, path: str, errors: Errors) -> Certificate | None:
    return _pem_or_path("PRIVATE KEY", "a private key", value, path, errors)


def _pem_or_path(label: str, what: str, value: object, path: str, errors: Errors) -> Certificate | None:
    """A path on the gateway, or a text in PEM. No message shows it, for it may be a key in either place."""
    given = certificate_path(value, path, Errors())
    if given:
        return Certificate(given)
    if isinstance(value, str) and _PEM.fullmatch(value) and f"{label}-----" in value:
        return Certificate(None)
    errors.add(
        path, f"is neither an absolute path nor {what} in PEM format, from '-----BEGIN' to '-----END' and a line break"
    )
    return None


def ssl_verify_client(value: object, path: str, errors: Errors) -> str | None:
    """YAML may have read on as a boolean."""
    return one_of("on", "optional")("on" if value is True else value, path, errors)


def header_name(value: object, path: str, errors: Errors) -> str | None:
    return matching(_HEADER_NAME, "a header name or proxy_protocol", value, path, errors)


def headers(
    check: t.Callable[[object, str, Errors], str | None], refused: t.Collection[str], why: str
) -> t.Callable[[object, str, Errors], dict[str, str] | None]:
    """The check of headers, given that of their values, and those that are not to be set."""

    def headers(value: object, path: str, errors: Errors) -> dict[str, str] | None:
        if not isinstance(value, t.Mapping):
            errors.add(path, f"must be a mapping, not {kind(value)}")
            return None
        found: dict[str, tuple[str, str]] = {}
        for name, item in value.items():
            # A name that is none may be a secret in the wrong place.
            if not is_header_name(name):
                errors.add(path, "contains a key that is not a header name (letters, digits, '-' and '_', at most 46)")
                continue
            checked = check(item, f"{path}.{name}", errors)
            if name.lower() in refused:
                errors.add(f"{path}.{name}", f"cannot be set: {why}")
            if name.lower() in found:
                errors.add(f"{path}.{name}", "duplicate header: names are case-insensitive")
            if checked is not None:
                found[name.lower()] = (str(name), checked)
        return dict(found.values())

    return headers


def host_name(value: object, path: str, errors: Errors) -> str | None:
    return matching(_HOST_NAME, "a host name", value, path, errors)


def openssl_version(value: object, path: str, errors: Errors) -> tuple[int, int] | None:
    """The first two numbers of a version of OpenSSL, or none where it is not known."""
    if value is None:
        return None
    found = _OPENSSL.fullmatch(text(value, path, errors) or "") if isinstance(value, str) else None
    if found is None:
        errors.add(path, f"{shown(value)} is not an OpenSSL version, such as '3.5.4'")
        return None
    return int(found[1]), int(found[2])


def package_version(value: object, path: str, errors: Errors) -> str | None:
    what = "a version of a package, such as '1.22.1-9+deb12u11'"
    return None if value is None else matching(_PACKAGE_VERSION, what, value, path, errors)


def request_path(value: object, path: str, errors: Errors) -> str | None:
    return matching(_REQUEST_PATH, "a path with an optional query, such as /ws/?room=1", value, path, errors)


def health_path(value: object, path: str, errors: Errors) -> str | None:
    return matching(_HEALTH_PATH, "a valid path, such as /healthz", value, path, errors)


def machines(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The names of hosts, as a list or in one text with commas, as it comes from a command line."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        errors.add(path, f"must be a list or a comma-separated string, not {described(value)}")
        return None
    named = [name.strip() if isinstance(name, str) else name for name in given]
    found = each(
        named, path, errors, lambda name, at, noted: matching(_MACHINE, "a host name or address", name, at, noted)
    )
    return None if found is None else tuple(dict.fromkeys(found))


def serial(value: object, path: str, errors: Errors) -> tuple[int | str, ...] | None:
    """The sizes of batches, as Ansible's own keyword takes them."""
    return one_or_more(value, path, errors, _batch, "at least one batch size is required")


def _batch(value: object, path: str, errors: Errors) -> int | str | None:
    if isinstance(value, str) and (_PERCENT.fullmatch(value) or (value.isascii() and value.isdigit() and int(value))):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return int(value)
    errors.add(path, f"{shown(value)} is not a batch size, such as 1, 10 or '25%'")
    return None


def upstream_name(value: object, path: str, errors: Errors) -> str | None:
    return matching(_UPSTREAM_NAME, "a valid upstream name: letters, digits, '_', '.' and '-'", value, path, errors)


def variable_name(value: object, path: str, errors: Errors) -> str | None:
    return matching(_VARIABLE_NAME, "the name of a host variable", value, path, errors)


def boolean(value: object, path: str, errors: Errors) -> bool | None:
    if isinstance(value, bool):
        return value
    errors.add(path, f"must be true or false, not {described(value)}")
    return None


def boolean_or_text(value: object, path: str, errors: Errors) -> bool | None:
    """A boolean of a command line, where -e NAME=true gives a string."""
    texts = {"true": True, "false": False}
    return boolean(texts.get(str(value).lower(), value) if isinstance(value, str) else value, path, errors)


def on_off(value: object, path: str, errors: Errors) -> str | None:
    """nginx's on and off, which YAML may have read as booleans."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return one_of("on", "off")(value, path, errors)


def port(value: object, path: str, errors: Errors) -> int | None:
    return _within(1, 65535, value, path, errors)


def count(value: object, path: str, errors: Errors) -> int | None:
    """A number that may be 0."""
    return _within(0, 999_999_999, value, path, errors)


def positive(value: object, path: str, errors: Errors) -> int | None:
    return _within(1, 999_999_999, value, path, errors)


def connections(value: object, path: str, errors: Errors) -> int | None:
    """A number of connections that a worker could hold."""
    return _within(0, 65535, value, path, errors)


def port_or_variable(value: object, path: str, errors: Errors) -> int | str | None:
    """A port for the whole group, or the name of the host variable that holds each host's own."""
    if isinstance(value, str) and _VARIABLE_NAME.fullmatch(value):
        return str(value)
    if isinstance(value, str):
        errors.add(path, f"must be an integer or the name of a host variable, not {shown(value)}")
        return None
    return port(value, path, errors)


def capacity(value: object, path: str, errors: Errors) -> int | None:
    return _within(1, _MOST_SOCKETS, value, path, errors)


def absolute_path(value: object, path: str, errors: Errors) -> str | None:
    given = plain_text(value, path, errors)
    if given is None or _ABSOLUTE_PATH.fullmatch(given):
        return given
    errors.add(path, f"{shown(given)} is not an absolute path")
    return None


def replaced_files(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The files of nginx whose place the gateway takes."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        errors.add(path, f"must be a path or a list of paths, not {described(value)}")
        return None
    return each(given, path, errors, absolute_path)


def certificate_path(value: object, path: str, errors: Errors) -> str | None:
    """A path that no message shows, for it may be a key in the wrong place."""
    if isinstance(value, str) and _ABSOLUTE_PATH.fullmatch(value) and plain_text(value, path, Errors()):
        return str(value)
    errors.add(path, "is not an absolute path")
    return None


def directory(value: object, path: str, errors: Errors) -> str | None:
    given = text(value, path, errors)
    if given != "":
        return given
    errors.add(path, "must not be empty: expected a directory")
    return None


def milliseconds(value: object, path: str, errors: Errors) -> str | None:
    """A time of a directive that takes milliseconds too."""
    return _time(_MILLISECONDS, "90, 90s, 30m, 1h30m, 500ms", value, path, errors)


def seconds(value: object, path: str, errors: Errors) -> str | None:
    """A time of a directive that takes whole seconds only."""
    return _time(SECONDS, "90, 90s, 30m, 1h30m", value, path, errors)


def size(value: object, path: str, errors: Errors) -> str | None:
    """The size of a buffer: not 0, and not more than nginx could ever have."""
    return _number_with_unit(_SIZE, "a size in nginx's syntax, such as 512, 4k, 1m", value, path, errors)


def large_size(value: object, path: str, errors: Errors) -> str | None:
    return _number_with_unit(_LARGE_SIZE, "a size in nginx's syntax, such as 0, 512k, 16m, 1g", value, path, errors)


def is_size(given: str) -> bool:
    return _SIZE.fullmatch(given) is not None


def bytes_of(given: str) -> int:
    """The bytes of a size that was checked."""
    return int(given.rstrip("kKmM")) * {"k": 1024, "m": 1024 * 1024}.get(given[-1].lower(), 1)


def buffers(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The value of proxy_buffers: how many, and how large each."""
    found = words_of(value, path, errors)
    if found is None:
        return None
    if (
        len(found) == 2
        and found[0].isascii()
        and found[0].isdigit()
        and int(found[0]) > 1
        and _SIZE.fullmatch(found[1])
    ):
        return found
    errors.add(path, f"{shown(value)} is not NUMBER SIZE with at least 2 buffers, such as '8 4k'")
    return None


def zone(value: object, path: str, errors: Errors) -> Zone | None:
    """The value of zone; where it is a size alone, the zone has the upstream's name."""
    found = words_of(value, path, errors)
    if found is None:
        return None
    name = found[0] if len(found) == 2 else None
    if len(found) > 2 or not _SIZE.fullmatch(found[-1]) or (name and not _UPSTREAM_NAME.fullmatch(name)):
        errors.add(path, f"{shown(value)} is not SIZE or NAME SIZE, such as 128k or 'backend 128k'")
        return None
    # Eight pages (src/http/modules/ngx_http_upstream_zone_module.c).
    if bytes_of(found[-1]) < 32 * 1024:
        errors.add(path, f"{shown(value)} is too small: nginx requires at least 32k")
        return None
    return Zone(size=found[-1], name=name)


def balance(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The words of a balancing method."""
    found = words_of(value, path, errors)
    if found is None:
        return None
    method, rest = found[0], found[1:]
    if not _known(BALANCES, method, path, errors):
        return None
    wrong = _wrong_balance(method, rest)
    if wrong:
        errors.add(path, f"{shown(value)} {wrong}")
        return None
    return found


def _wrong_balance(method: str, rest: tuple[str, ...]) -> str:
    if method == "hash":
        if not rest or rest[1:] not in ((), ("consistent",)):
            return "is not 'hash KEY' or 'hash KEY consistent'"
        return "" if "$" in rest[0] else "has a key without a variable: all clients would go to one server"
    if method == "sticky":
        form = _STICKY.get(rest[0]) if rest else None
        return (
            ""
            if form and form.fullmatch(" ".join(rest[1:]))
            else "is not 'sticky cookie NAME …', 'sticky route $VARIABLE …' or 'sticky learn …'"
        )
    if rest in _PLAIN_BALANCES[method]:
        return ""
    allowed = ", ".join(f"'{' '.join((method, *words))}'" for words in sorted(_PLAIN_BALANCES[method]))
    return f"has invalid parameters; expected {allowed}"


def access_log(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """The words of an access_log directive; YAML reads a bare off as false."""
    if value is False or value == "off":
        return ("off",)
    found = words_of(value, path, errors)
    if found is None:
        return None
    if not found[0].startswith(("/", "syslog:server=")):
        errors.add(path, f"{shown(value)} must be off, or start with an absolute path or syslog:server=")
    elif any("$" in word and not word.startswith("if=") for word in found):
        errors.add(path, f"{shown(value)} contains a variable, which is only allowed in if=")
    elif not _LOG_FORMAT.fullmatch(" ".join(found[1:])):
        errors.add(
            path,
            f"{shown(value)} is not PATH or PATH FORMAT, optionally with buffer=SIZE, gzip=LEVEL, flush=TIME and if=…",
        )
    else:
        return found
    return None


def returned(value: object, path: str, errors: Errors) -> Return | None:
    """The value of return: a status, a status and a text, or the address of a redirect."""
    given = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value, path, errors)
    if given is None:
        return None
    first, _space, rest = given.partition(" ")
    if first.startswith(("http://", "https://", "$scheme://")):
        first, rest = "302", given
    if not (first.isascii() and first.isdigit() and int(first[:9]) in _STATUS):
        errors.add(path, f"{shown(value)} is not STATUS (200 to 599), STATUS TEXT or a URL")
        return None
    status, answer = int(first), _without_quotes(rest.lstrip(" "))
    if status in REDIRECTS and not answer:
        errors.add(path, f"{shown(value)} requires a URL to redirect to")
    elif status in REDIRECTS and line(answer, path, errors) is None:
        pass
    elif not nginx_syntax.variables_are_sound(answer):
        errors.add(path, f"{shown(value)} contains a '$' that starts no variable; nginx has no way to escape it")
    else:
        return Return(status, answer or None)
    return None


def websocket(value: object, path: str, errors: Errors) -> bool | str | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value == "required":
        return "required"
    errors.add(path, f"must be true, false or required, not {shown(value)}")
    return None


def server_names(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
    """One name or a list of names; the first is the site's name in messages."""
    return one_or_more(value, path, errors, _server_name, "a site requires a name, or '_' for any")


def location_path(value: object, path: str, errors: Errors) -> LocationPath | None:
    given = text(value, path, errors)
    if given is None:
        return None
    found = _LOCATION.fullmatch(given)
    location = None if found is None else LocationPath(found[1] or "", _without_quotes(found[2]))
    if location is None or not (location.is_regex or location.path.startswith("/")):
        errors.add(
            path, f"{shown(given)} is not a location; expected /path/, '= /path', '^~ /path/', '~ regex' or '~* regex'"
        )
        return None
    if not location.is_regex and _NEVER_MATCHES.search(location.path):
        errors.add(path, f"{shown(given)} never matches: nginx removes ?, // and /../ from the path of a request first")
        return None
    return location


def is_header_name(value: object) -> bool:
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None


def matching(pattern: re.Pattern[str], meaning: str, value: object, path: str, errors: Errors) -> str | None:
    given = text(value, path, errors)
    if given is None or pattern.fullmatch(given):
        return given
    errors.add(path, f"{shown(given)} is not {meaning}")
    return None


def one_of(*known: str) -> t.Callable[[object, str, Errors], str | None]:
    """The check of a word among those that are known."""

    def check(value: object, path: str, errors: Errors) -> str | None:
        given = text(value, path, errors)
        return None if given is None else _known(known, given, path, errors)

    return check


def some_of(*known: str) -> t.Callable[[object, str, Errors], tuple[str, ...] | None]:
    """The check of one or more words, all among those that are known."""

    def check(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
        found = words_of(value, path, errors) or ()
        return tuple(word for word in found if _known(known, word, path, errors)) or None

    return check


def _known(known: t.Sequence[str], word: str, path: str, errors: Errors) -> str | None:
    if word in known:
        return word
    errors.add(path, f"{shown(word)} is not one of {', '.join(known)}{errors.suggestion(word, known)}")
    return None


def _server_name(value: object, path: str, errors: Errors) -> str | None:
    forms = "a host name, *.domain, .domain, name.*, ~regex or '_'"
    given = matching(_SERVER_NAME, f"a server name; expected {forms}", value, path, errors)
    if given is None or given.startswith("~") or len(given) <= _LONGEST_NAME:
        return given
    errors.add(path, f"{shown(given)} is longer than {_LONGEST_NAME} characters, the limit for host names")
    return None


def _string(refused: re.Pattern[str], value: object, path: str, errors: Errors, *, show: bool) -> str | None:
    if not isinstance(value, str):
        errors.add(path, f"must be a string, not {described(value) if show else kind(value)}")
    elif refused.search(value):
        errors.add(path, f"{shown(value)} contains a control character" if show else "contains a control character")
    else:
        return str(value)
    return None


def _within(least: int, most: int, value: object, path: str, errors: Errors) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        errors.add(path, f"must be an integer, not {described(value)}")
    elif not least <= value <= most:
        errors.add(path, f"{shown(value)} is out of range: {least} to {most}")
    else:
        return int(value)
    return None


def _time(pattern: re.Pattern[str], examples: str, value: object, path: str, errors: Errors) -> str | None:
    # nginx takes a time of several units with spaces only inside quotes; without them it is the same time.
    given = _number_with_unit(pattern, f"a time in nginx's syntax, such as {examples}", value, path, errors)
    return None if given is None else given.replace(" ", "")


def _number_with_unit(pattern: re.Pattern[str], meaning: str, value: object, path: str, errors: Errors) -> str | None:
    given = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if given is not None and pattern.fullmatch(given):
        return given
    errors.add(path, f"{shown(value)} is not {meaning}")
    return None


def _without_quotes(given: str) -> str:
    """A text is taken as it is, but for quotes around it: what is in them nginx would read as one word."""
    if given[:1] not in ("'", '"'):
        return given
    try:
        found = nginx_syntax.words(given)
    except nginx_syntax.NginxSyntaxError:
        return given
    return found[0] if len(found) == 1 else given
