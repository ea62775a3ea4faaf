# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages with configurations in them: tutorials in Markdown or HTML, and plain text that was copied from one."""

from __future__ import annotations

import html
import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.reading import parsed
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)$")
_PRE = re.compile(r"<pre\b[^>]*>(.*?)</pre>", re.DOTALL | re.IGNORECASE)
_IS_HTML = re.compile(r"<(?:!doctype html|html|body|pre|div|p)\b", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)\b[^<>]*>")
_BREAKS = ("br", "p", "div", "li", "tr")
# A shell that writes a file.
_HEREDOC = re.compile(
    r"<<-?\s*(?P<quote>[\\'\"]?)(?P<end>\w+)['\"]?[^\n]*\n(?P<text>.*?)\n\s*(?P=end)\s*(?:\n|$)", re.DOTALL
)
_BLOCK = re.compile(r"(?:^|(?<=[\s:]))(?:http|server|upstream|location|map|events|if)\b[^;{}\n]*\{", re.MULTILINE)
_OTHERS = (
    *(
        "js",
        "javascript",
        "ts",
        "typescript",
        "jsx",
        "tsx",
        "json",
        "python",
        "py",
        "yaml",
        "yml",
        "toml",
        "ini",
        "php",
    ),
    *("go", "rust", "java", "c", "cpp", "csharp", "ruby", "html", "css", "sql", "dockerfile", "diff", "xml", "apache"),
)
_PROGRAMS = (".sh", ".bash", ".py", ".js", ".ts", ".go", ".rb", ".php", ".pl", ".tf", ".ps1")
# Of an Ingress, or of a role's variables.
_YAML = re.compile(r"^kind: *(?:Ingress|List)\b|^ *(?:- )?nginx_[a-z_]+:", re.MULTILINE)
_PROSE = re.compile(r"[ \t]*[A-Z][a-z]+(?: [\w',()\u2019-]+){4,}")
_ENDS_AS_CODE = re.compile(r"[^\n]*[;{}][ \t]*(?:\n|$)")


class Fragment(t.NamedTuple):
    """A piece of configuration on a page, and the line that it begins at."""

    text: str
    line: int


def fragments(text: str) -> list[Fragment]:
    """The pieces of a page that may be nginx's."""
    found = _fenced(text, lambda language: language not in _OTHERS)
    if not found and _IS_HTML.search(text):
        found = _preformatted(text)
    if not found and _HEREDOC.search(text):
        found = [Fragment(text, 1)]
    pieces = [piece for one in found for piece in _written(one)]
    pieces = [one for one in pieces if is_nginx(one.text)]
    return pieces or [one for one in _inline(text) if is_nginx(one.text)]


def is_page(name: str, text: str) -> bool:
    """Whether a text is more than an nginx file."""
    if name.lower().endswith((".md", ".markdown", ".mdx", ".html", ".htm", ".rst", ".adoc")):
        return True
    if name.lower().endswith(".conf") or re.search(r"/(?:sites-enabled|sites-available|conf\.d)/", f"/{name}"):
        return False
    if text.startswith("#!") or _HEREDOC.search(text) or name.lower().endswith(_PROGRAMS):
        return True
    code = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    prose = [line for line in code if _PROSE.match(line) and not re.search(r"[;{}]\s*(?:#.*)?$", line)]
    return any(_FENCE.match(line) for line in code) or bool(_PRE.search(text)) or bool(prose)


def is_nginx(text: str) -> bool:
    """Whether most directives of a text, and not by chance, are some of nginx's."""
    tree = parsed(text, "", 1, Notes())
    known = [one for one in tree if grammar.is_known(one.name)]
    telling = [one for one in known if one.block is not None or one.args]
    return bool(telling) and len(known) * 2 > len(tree)


def structured(text: str) -> list[Fragment]:
    """The pieces of a page that are YAML, also where a shell writes it."""
    found = _fenced(text, lambda language: language not in _OTHERS or language in ("yaml", "yml"))
    return [piece for one in found for piece in _written(one) if _YAML.search(piece.text)]


def _fenced(text: str, is_wanted: t.Callable[[str], bool]) -> list[Fragment]:
    found: list[Fragment] = []
    lines: list[str] = []
    opening: re.Match[str] | None = None
    first = 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        match = _FENCE.match(line)
        is_last = number > text.count("\n") + 1
        if opening is None:
            if match:
                opening, first, lines = match, number + 1, []
        elif is_last or (match and not match["info"].strip() and match["fence"].startswith(opening["fence"])):
            language = re.split(r"[\s,{:]", opening["info"].strip().lower().lstrip("{."))[0]
            if is_wanted(language):
                found.append(Fragment("\n".join(lines), first))
            opening = None
        else:
            lines.append(line.removeprefix(opening["indent"]))
    return found


def _preformatted(text: str) -> list[Fragment]:
    found = []
    for match in _PRE.finditer(text):
        inner = _TAG.sub(lambda tag: "\n" if tag[2].lower() in _BREAKS and not tag[1] else "", match[1])
        found.append(Fragment(html.unescape(inner), 1 + text.count("\n", 0, match.start(1))))
    return found


def _written(fragment: Fragment) -> list[Fragment]:
    """What a shell writes into files, where the fragment is a shell's."""
    found = []
    for match in _HEREDOC.finditer(fragment.text):
        inner = match["text"] if match["quote"] else re.sub(r"\\([$`\\])", r"\1", match["text"])
        found.append(Fragment(inner, fragment.line + fragment.text.count("\n", 0, match.start("text"))))
    return found or [fragment]


def _inline(text: str) -> list[Fragment]:
    """The blocks of a text without marks around them, and lines alone that are directives."""
    found: list[Fragment] = []
    at = 0
    while match := _BLOCK.search(text, at):
        end = _end_of_block(text, match.start(), match.end())
        found.append(Fragment(_unflattened(text[match.start() : end]), 1 + text.count("\n", 0, match.start())))
        at = end
    return found or _lines(text)


def _end_of_block(text: str, start: int, opened: int) -> int:
    """Where its braces match, or where prose begins."""
    depth, at = 1, opened
    while at < len(text):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at + 1
        elif text[at] == "\n" and _PROSE.match(text, at + 1) and not _ENDS_AS_CODE.match(text, at + 1):
            return at
        at += 1
    return len(text)


def _lines(text: str) -> list[Fragment]:
    lines = text.split("\n")
    return [
        Fragment(line.strip(), number)
        for number, line in enumerate(lines, 1)
        if line.rstrip().endswith(";") and grammar.is_known(line.split()[0])
    ]


def _unflattened(text: str) -> str:
    """A block whose lines were joined: a comment in it would go to the end, so it is taken out."""
    return "\n".join(map(_without_comment, text.split("\n")))


def _without_comment(line: str) -> str:
    before, mark, comment = line.partition("#")
    if not mark or not before.strip() or not re.search(r"[;{}]", comment):
        return line
    words = comment.split(" ")
    mark_at = next(number for number, word in enumerate(words) if re.search(r"[;{}]", word))
    opens = "{" in words[mark_at]
    for start in range(mark_at, -1, -1):
        name, args = words[start].strip(";{}"), [word.rstrip(";{}") for word in words[start + 1 : mark_at + 1]]
        args = [arg for arg in args if arg]
        contexts = ("http", "server", "location", "upstream")
        if any(grammar.takes(name, args, context, opens=opens) for context in contexts):
            return before + _without_comment(" ".join(words[start:]))
    return line


def merged(trees: t.Sequence[t.Sequence[Directive]], notes: Notes) -> list[Directive]:
    """One configuration of the pieces of a page, which show the same blocks again, each time with more in them."""
    if not trees:
        return []
    base_at = max(range(len(trees)), key=lambda number: (_weight(trees[number]), number))
    base = list(trees[base_at])
    if not any(one.name == "server" for one in base):
        # Without a complete one, what there is of each kind counts.
        for number, tree in enumerate(trees):
            if number != base_at:
                base = _with_new(base, tree, notes, is_later=number > base_at, is_whole=False)
        return base
    for number, tree in enumerate(trees):
        if number != base_at:
            base = _with_new(base, tree, notes, is_later=number > base_at, is_whole=True)
    return base


def _weight(tree: t.Iterable[Directive]) -> int:
    return sum(1 + _weight(one.block or ()) + (10 if one.name == "server" and one.block else 0) for one in tree)


def _with_new(
    base: list[Directive], tree: t.Iterable[Directive], notes: Notes, *, is_later: bool, is_whole: bool
) -> list[Directive]:
    for one in tree:
        if one.name == "upstream" and one.block is not None:
            base = _with_upstream(base, one, notes)
        elif one.name == "server" and one.block is not None:
            base = _with_server(base, one, notes)
        elif one.name == "location" and is_whole:
            base = _with_location(base, one, notes, is_later=is_later)
        elif one.block is not None or not is_whole:
            if not any(_same(one, other) for other in base):
                base = [*base, one]
        elif not _is_in(one, base):
            notes.add(
                "left out", one.place, f"'{one.name} {' '.join(one.args)}' stands alone, and the whole has it not"
            )
    return base


def _same(one: Directive, other: Directive) -> bool:
    if (one.name, one.args) != (other.name, other.args) or (one.block is None) != (other.block is None):
        return False
    mine, others = one.block or (), other.block or ()
    return len(mine) == len(others) and all(map(_same, mine, others))


def _is_in(one: Directive, tree: t.Iterable[Directive]) -> bool:
    return any(_same(one, other) or _is_in(one, other.block or ()) for other in tree)


def _with_upstream(base: list[Directive], one: Directive, notes: Notes) -> list[Directive]:
    known = next((other for other in base if other.name == "upstream" and other.args == one.args), None)
    if known is None:
        return [one, *base]
    if not _same(known, one):
        servers = [" ".join(server.args) for server in one.all("server")]
        if servers != [" ".join(server.args) for server in known.all("server")]:
            text = f"the page has the upstream '{' '.join(one.args)}' with other servers here, {', '.join(servers)}"
            notes.add("corrected", one.place, f"{text}: those of {known.place} are taken")
    return base


def _with_server(base: list[Directive], one: Directive, notes: Notes) -> list[Directive]:
    known = next((other for other in base if other.name == "server" and other.block and _is_alike(one, other)), None)
    if known is None:
        return [*base, one]
    whole = known
    for inner in one.all("location"):
        whole = _with_location_in(whole, inner, notes)
    for name in ("listen", "server_name", "ssl_certificate", "ssl_certificate_key"):
        if not whole.first(name):
            whole = _extended(whole, list(one.all(name)))
    return [whole if other is known else other for other in base]


def _is_alike(one: Directive, other: Directive) -> bool:
    """Whether two servers are versions of one: of the same names, at the same ports or without any."""
    for name in ("listen", "server_name"):
        mine = [first.args for first in one.all(name)]
        others = [second.args for second in other.all(name)]
        if mine and others and not set(mine) & set(others):
            return False
    return True


def _extended(block: Directive, more: t.Sequence[Directive]) -> Directive:
    return Directive(block.name, block.args, block.place, (*more, *(block.block or ())))


def _with_location(base: list[Directive], one: Directive, notes: Notes, *, is_later: bool) -> list[Directive]:
    servers = [other for other in base if other.name == "server" and other.block is not None]
    having = [server for server in servers if any(inner.args == one.args for inner in server.all("location"))]
    known = (having or servers)[-1]
    if not having and not is_later and _is_example(one, base):
        text = f"the location '{' '.join(one.args)}' is an example by itself, to a backend that nothing else names"
        notes.add("question", one.place, f"{text}: it is left out; is it wanted?")
        return base
    whole = _with_location_in(known, one, notes)
    return [whole if other is known else other for other in base]


def _is_example(one: Directive, base: t.Iterable[Directive]) -> bool:
    target = one.first("proxy_pass")
    host = re.sub(r"^\w+://", "", "".join(target.args)).partition("/")[0] if target else ""
    if not host or re.search(r"[.:]|localhost", host):
        return False
    blocks = [other for other in base if other.name == "upstream"]
    servers = [server.args[0].partition(":")[0] for block in blocks for server in block.all("server") if server.args]
    return host not in servers and (host,) not in [block.args for block in blocks]


def _with_location_in(server: Directive, one: Directive, notes: Notes) -> Directive:
    """The server with a location that it has not, or with the version of it that has more in it."""
    inner = list(server.block or ())
    same = next(
        (number for number, other in enumerate(inner) if other.name == "location" and other.args == one.args), None
    )
    if same is None:
        last = next((number for number, other in enumerate(inner) if other.args == ("/",)), len(inner))
        inner.insert(last, one)
        notes.add("taken", one.place, f"the location '{' '.join(one.args)}' is added to the server of {server.place}")
    elif len(one.block or ()) > len(inner[same].block or ()):
        notes.add(
            "taken", one.place, f"the location '{' '.join(one.args)}' has more in it here than at {inner[same].place}"
        )
        inner[same] = one
    return Directive(server.name, server.args, server.place, tuple(inner))
