# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What texts are, and the directives of the http block that they come to."""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import (
    documents,
    grammar,
    ingress,
    pages,
    role_variables,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.reading import parsed
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

_DUMP = re.compile(r"^# configuration file (\S+):[ \t]*$", re.MULTILINE)
# What YAML has that is to be read, whatever the file is called.
_YAML = re.compile(r"^(?:apiVersion|nginx_[a-z_]+):|^- hosts:", re.MULTILINE)
_MAIN = ("events", "user", "worker_processes", "pid", "load_module")
# Directories that nginx's own paths begin with.
_PREFIXES = ("/etc/nginx/", "/usr/local/etc/nginx/", "/usr/local/nginx/conf/", "/usr/local/openresty/nginx/conf/")
# What distributions and Certbot have, whose content the role has as well.
_KNOWN_INCLUDES = {
    "mime.types": "nginx.conf has it",
    "proxy_params": "the role sends the same headers",
    "proxy_headers.conf": "",
    "options-ssl-nginx.conf": "'ssl_policy' sets protocols and ciphers",
    "ssl-dhparams.pem": "'ssl_policy' sets protocols and ciphers",
    # Of the program Nginx Proxy Manager.
    "ssl-ciphers.conf": "'ssl_policy' sets protocols and ciphers",
    "ssl-cache.conf": "the role sets what is for sessions of TLS",
    "ssl-cache-stream.conf": "the role sets what is for sessions of TLS",
}
# Beside every nginx.conf, for programs that the role passes nothing on to.
_PARAMETERS = ("fastcgi_params", "fastcgi.conf", "fastcgi-php.conf", "uwsgi_params", "scgi_params")
_DEEPEST = 10
_LARGEST = 2_000_000
# What stands in a server, or in a location, where a text begins with it.
_OF_SERVERS = ("listen", "server_name", "location", "ssl_certificate", "ssl_certificate_key", "root", "index")
_OF_HTTP = ("upstream", "server", "map", "geo", "split_clients", "log_format", "proxy_cache_path", "types", "http")


@dataclass
class Read:
    """All directives of the http block, and the files that are an nginx.conf."""

    tree: list[Directive]
    main: set[str] = field(default_factory=set)


def read(files: t.Mapping[str, str], notes: Notes) -> Read:
    whole: dict[str, str] = {}
    for name, given in files.items():
        dumped = _dumped(given)
        whole.update(dumped or {name: given})
        if dumped:
            notes.add("taken", Place(name), f"the output of 'nginx -T' with {len(dumped)} files")
    sound = {name: text for name, text in whole.items() if _is_text(name, text, notes)}
    structured = {name: _documents(name, text, notes) for name, text in sound.items()}
    tree: list[Directive] = []
    for name, found_there in structured.items():
        tree += _of_documents(found_there or (), name, notes)
    nginx = {name: text for name, text in sound.items() if structured[name] is None}
    found = _of_nginx(nginx, notes)
    return Read(_completed([*tree, *found.tree], notes), found.main)


def _is_text(name: str, text: str, notes: Notes) -> bool:
    if not text.strip(" \t\r\n\0\ufeff"):
        notes.add("left out", Place(name), "it is empty")
        return False
    strange = sum(1 for char in text[:4096] if char == "\ufffd" or (char < " " and char not in "\t\r\n\f\x1b"))
    if strange * 10 > len(text[:4096]):
        notes.add("left out", Place(name), "it is no text")
        return False
    if len(text) > _LARGEST:
        notes.add("left out", Place(name), f"it is larger than {_LARGEST} characters")
        return False
    return True


def _dumped(text: str) -> dict[str, str]:
    """The files in the output of `nginx -T`, each once."""
    heads = list(_DUMP.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    # The first line of a file follows that with its name.
    return {head[1]: text[head.end() + 1 : end] for head, end in reversed(list(zip(heads, ends)))}


def _documents(name: str, text: str, notes: Notes) -> list[t.Any] | None:
    """The documents of a YAML file; None where it is something else."""
    is_named_so = name.lower().endswith((".yml", ".yaml", ".json"))
    if not is_named_so and not _YAML.search(text):
        return None
    try:
        found = documents.load(text)
    except documents.DocumentError as error:
        if not is_named_so:
            return None
        chart = "; of a chart, give what 'helm template' prints" if "{{" in text else ""
        notes.add("left out", Place(name, error.line), f"it is no YAML: {error}{chart}")
        return []
    return (
        found if is_named_so or any(ingress.is_manifest(one) or role_variables.is_known(one) for one in found) else None
    )


def _of_documents(found: t.Sequence[t.Any], name: str, notes: Notes) -> list[Directive]:
    tree = ingress.directives([one for one in found if ingress.is_manifest(one)], name, notes)
    others = [one for one in found if not ingress.is_manifest(one)]
    for one in others:
        if role_variables.is_known(one):
            tree += role_variables.directives(one, name, notes)
        elif one is not None:
            text = "it is neither nginx's nor an Ingress nor the variables of a role that is known"
            notes.add("left out", Place(name, documents.line_of(one)), text)
    return tree


def _of_nginx(files: t.Mapping[str, str], notes: Notes) -> Read:
    trees: dict[str, list[Directive]] = {}
    for name, text in files.items():
        trees[name] = _of_page(name, text, notes) if pages.is_page(name, text) else parsed(text, name, 1, notes)
    main = {name for name, tree in trees.items() if any(one.name in _MAIN for one in tree)}
    includes = _Includes(trees, notes)
    roots = [name for name in trees if name in main and _has_http(trees[name])] or _not_included(trees, includes)
    found: list[Directive] = []
    for name in roots:
        found += _http_level(includes.resolved(trees[name], (name,)), name in main, notes)
    for name in trees:
        # Links of sites-enabled lead to the others, which are read there.
        is_linked = files[name] == files.get(name.replace("sites-available/", "sites-enabled/")) != ""
        if name not in roots and name not in includes.used and not (is_linked and "sites-available/" in name):
            notes.add("left out", Place(name), "no file that is read includes it")
    return Read(found, main)


def _of_page(name: str, text: str, notes: Notes) -> list[Directive]:
    found = pages.fragments(text)
    # Line breaks before it, so that its lines have the numbers that they have on the page.
    yaml = [loaded for one in pages.structured(text) for loaded in _loaded("\n" * (one.line - 1) + one.text)]
    if yaml:
        return [*_of_documents(yaml, name, notes), *_of_fragments(found, name, notes)]
    if not found:
        notes.add("left out", Place(name), "no configuration of nginx is on this page")
        return []
    return _of_fragments(found, name, notes)


def _loaded(text: str) -> list[t.Any]:
    try:
        return documents.load(text)
    except documents.DocumentError:
        return []


def _of_fragments(found: t.Sequence[pages.Fragment], name: str, notes: Notes) -> list[Directive]:
    trees = [parsed(one.text, name, one.line, notes) for one in found]
    is_main = any(one.name in _MAIN for tree in trees for one in tree)
    return pages.merged([_http_level(tree, is_main, notes) for tree in trees], notes)


def _has_http(tree: t.Iterable[Directive]) -> bool:
    return any(one.name == "http" and one.block is not None for one in tree)


def _not_included(trees: t.Mapping[str, list[Directive]], includes: _Includes) -> list[str]:
    """The files that no other one includes, and those of sites-available only without sites-enabled."""
    included = {other for name, tree in trees.items() for other in includes.named(tree, name)}
    enabled = any("sites-enabled/" in f"/{name}" for name in trees)
    return [name for name in trees if name not in included and not (enabled and "sites-available/" in f"/{name}")]


def _http_level(tree: t.Sequence[Directive], is_main: bool, notes: Notes) -> list[Directive]:
    found: list[Directive] = []
    for one in tree:
        if one.name == "http" and one.block is not None:
            if not is_main:
                text = "the block 'http' stands in nginx.conf, which includes such files in it: what it holds is read"
                notes.add("corrected", one.place, text)
            found += one.block
        elif is_main and one.name in ("stream", "mail"):
            notes.add("left out", one.place, f"'{one.name}': the role serves HTTP and WebSockets alone")
        elif not is_main or one.name in _OF_HTTP:
            found.append(one)
    return found


class _Includes:
    """The directives `include`, replaced by what they include of the given files."""

    def __init__(self, trees: t.Mapping[str, list[Directive]], notes: Notes) -> None:
        self._trees = trees
        self._notes = notes
        self.used: set[str] = set()

    def resolved(self, tree: t.Iterable[Directive], inside: tuple[str, ...]) -> list[Directive]:
        found: list[Directive] = []
        for one in tree:
            if one.name != "include" or len(one.args) != 1:
                block = None if one.block is None else tuple(self.resolved(one.block, inside))
                found.append(Directive(one.name, one.args, one.place, block))
                continue
            names = self._names(one.args[0], inside[-1])
            if not names:
                found += self._missing(one)
            for name in names:
                if name in inside or len(inside) > _DEEPEST:
                    self._notes.add("corrected", one.place, f"'{short(one)}' includes itself, which is left out")
                    continue
                self.used.add(name)
                found += self.resolved(self._trees[name], (*inside, name))
        return found

    def named(self, tree: t.Iterable[Directive], name: str) -> set[str]:
        found: set[str] = set()
        for one in tree:
            if one.name == "include" and len(one.args) == 1:
                found.update(self._names(one.args[0], name))
            found |= self.named(one.block or (), name)
        return found - {name}

    def _names(self, pattern: str, file: str) -> list[str]:
        wanted = _parts(pattern)
        same = [name for name in self._trees if _fits(_parts(name), wanted)]
        # A file without its directories is meant where none has them, and never one whose whole path is known.
        whole = [name for name in same if len(_parts(name)) >= len(wanted)]
        same = whole or [name for name in same if not name.startswith("/") and not ("*" in pattern and name == file)]
        # A file beside the one that includes it is meant rather than one elsewhere.
        directory = _parts(file)[:-1]
        near = [name for name in same if _parts(name)[: len(directory)] == directory]
        return sorted(near or same)

    def _missing(self, one: Directive) -> list[Directive]:
        name = one.args[0].rpartition("/")[2]
        if name in _KNOWN_INCLUDES:
            self._notes.add(
                "left out", one.place, f"'{short(one)}': {_KNOWN_INCLUDES[name] or 'the role has the same'}"
            )
            return []
        if name in _PARAMETERS:
            return [one]
        if "*" in name:
            self._notes.add("left out", one.place, f"'{short(one)}': none of the files that are given")
            return []
        self._notes.add("question", one.place, f"'{short(one)}': the file is not given; what is in it?")
        return [one]


def _parts(path: str) -> list[str]:
    for prefix in _PREFIXES:
        path = path.removeprefix(prefix)
    return [part for part in path.split("/") if part not in ("", ".")]


def _fits(name: t.Sequence[str], pattern: t.Sequence[str]) -> bool:
    """Whether the ends of a path and of a pattern, as far as both go, are the same."""
    number = min(len(name), len(pattern))
    return number > 0 and all(map(fnmatch.fnmatchcase, name[-number:], pattern[-number:]))


def _completed(tree: list[Directive], notes: Notes) -> list[Directive]:
    """The tree with a server around what stands outside of any."""
    servers = [one for one in tree if one.name == "server" and one.block is not None]
    outside = [one for one in tree if _is_outside(one)]
    if not servers and any(one.name in ("listen", "server_name") for one in outside):
        # What a server would include.
        outside = [one for one in tree if one.name not in _OF_HTTP and grammar.is_allowed(one.name, "server")]
    if not outside or (servers and not any(one.name in ("location", "proxy_pass") for one in outside)):
        return _with_upstream_servers(tree, notes)
    first = outside[0]
    of_server = [one for one in outside if one.name in _OF_SERVERS or one.name == "if"]
    of_location = [one for one in outside if one not in of_server]
    inner = list(of_server)
    if any(one.name == "proxy_pass" for one in of_location):
        inner.append(Directive("location", ("/",), of_location[0].place, tuple(of_location)))
    elif any(one.name == "location" for one in of_server):
        inner = [*of_location, *inner]
    else:
        for one in of_location:
            notes.add("left out", one.place, f"'{short(one)}' stands in no location")
    if not any(one.name == "location" for one in inner):
        return _with_upstream_servers([one for one in tree if one not in outside], notes)
    missing = [name for name in ("listen", "server_name") if not any(one.name == name for one in inner)]
    if missing:
        text = "no server block is around it: which name and port has the site? It is at port 80 for any name"
        notes.add("question", first.place, text)
    rest = [one for one in tree if one not in outside]
    return _with_upstream_servers([*rest, Directive("server", (), first.place, tuple(inner))], notes)


def _is_outside(one: Directive) -> bool:
    if one.name in _OF_HTTP:
        return False
    if one.name in (*_OF_SERVERS, "if"):
        return True
    return any(grammar.is_allowed(one.name, context) for context in ("server", "location")) and not grammar.is_allowed(
        one.name, "http"
    )


def _with_upstream_servers(tree: list[Directive], notes: Notes) -> list[Directive]:
    """Servers of an upstream that stand outside of any are one."""
    alone = [one for one in tree if one.name == "server" and one.block is None]
    methods = [one for one in tree if one.name in ("ip_hash", "least_conn", "hash", "random") and one.block is None]
    if not alone:
        return [one for one in tree if one not in methods]
    notes.add("question", alone[0].place, "servers without their upstream: what is its name? It is 'backend'")
    block = Directive("upstream", ("backend",), alone[0].place, (*methods, *alone))
    return [block, *(one for one in tree if one not in alone and one not in methods)]
