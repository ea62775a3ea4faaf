# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of a text in nginx's syntax, by crossplane's lexer, after what it would stumble over was mended."""

from __future__ import annotations

import re
import tempfile
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Notes, Place

# What stands for lines that a page leaves out.
ELISION = "..."
_ELISIONS = re.compile(r"\[\s*(?:\.\.\.|…)[^\]\n]*\]|(?:\.\.\.|…)(?=\s|$)", re.MULTILINE)
# Quotes as word processors and pages have them.
_DOUBLE = "\u201c\u201d\u201e\u00ab\u00bb"
_SINGLE = "\u2018\u2019\u201a"
_TYPOGRAPHIC = str.maketrans({**dict.fromkeys(_DOUBLE, '"'), **dict.fromkeys(_SINGLE, "'")})
_QUOTES = re.compile(f"[{_DOUBLE}{_SINGLE}]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]")
# What a template fills in: Jinja and Helm, ERB, and a name in angle brackets, with spaces or without.
_TEMPLATED = re.compile(r"\{\{[-~]?\s*(.*?)\s*[-~]?\}\}|<%[=-]?\s*(.*?)\s*-?%>|<([A-Za-z][\w .:/-]*)>")
_STATEMENTS = re.compile(
    r"\{%[-+]?\s*(?:if|elif|else|endif|for|endfor|set|include|import|from|macro|endmacro|block|endblock|extends|raw|endraw"
    r"|call|endcall|filter|endfilter|with|endwith|do)\b[^\n]*?%\}|\{# [^\n]*? #\}"
    r"|\{\{-?\s*(?:if|else|end|range|with|define|block)\b[^{}\n]*\}\}"
)
# Blocks as a program has them that formats the text, and those of nginx.
_DOUBLED = re.compile(r"\w[^\n#{}]*\{\{[ \t]*$", re.MULTILINE)
_SINGLE_BRACE = re.compile(r"[^{\n]\{[ \t]*(?:#.*)?$", re.MULTILINE)
# A word of a regular expression such as ^/[0-9]{4}/, whose brace would open a block.
_QUANTIFIED = re.compile(r"(?<!\S)([^\s;{}]+(?:\{\d+(?:,\d*)?\}[^\s;{}]*)+)")
_ESCAPED = re.compile(r"\\([\\\"'trn])")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_MOST_QUOTES = 20
# A string, a comment, and what is between them.
_PARTS = re.compile(r"""\"(?:\\.|[^"\\])*\"|'(?:\\.|[^'\\])*'|#.*|[^"'#]+|["']""")


class Token(t.NamedTuple):
    """A word without its quotes, or one of the marks ; { and } without them."""

    word: str
    line: int
    is_quoted: bool

    @property
    def mark(self) -> str:
        return self.word if not self.is_quoted and self.word in ("{", "}", ";") else ""


def tokens(text: str, file: str, first: int, notes: Notes) -> list[Token]:
    """All words and marks. The first line of the text has the number `first`."""
    cleaned = _with_closed_quotes(_cleaned(text, file, first, notes), file, first, notes)
    found = []
    for word, line, is_quoted in _lexed(cleaned):
        if not is_quoted and word.startswith("#"):
            continue
        plain = _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), word)
        found.append(Token(plain, first + line - 1, is_quoted))
    return found


def _lexed(text: str) -> t.Iterator[tuple[str, int, bool]]:
    crossplane = grammar.library()
    # The lexer ends where braces do not match. With so many before the text it never does but at the end.
    before = text.count("}")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write("{" * before + text + "\n")
        file.flush()
        try:
            for number, token in enumerate(crossplane.lex(file.name)):
                if number >= before:
                    yield token
        except crossplane.errors.NgxParserBaseException:
            return


def _cleaned(text: str, file: str, first: int, notes: Notes) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if "\0" in text:
        notes.add("corrected", Place(file, _line(text, text.index("\0"), first)), "NUL characters are taken out")
        text = text.replace("\0", "")
    if _DOUBLED.search(text) and not _SINGLE_BRACE.search(text):
        notes.add(
            "corrected", Place(file, _line(text, text.index("{{"), first)), "'{{' and '}}' are read as '{' and '}'"
        )
        text = text.replace("{{", "{").replace("}}", "}")
    text = _STATEMENTS.sub(lambda match: _noted_statement(match, text, file, first, notes), text)
    text = _TEMPLATED.sub(_placeholder, text)
    lines = text.split("\n")
    return "\n".join(_cleaned_line(line, Place(file, number), notes) for number, line in enumerate(lines, first))


def _cleaned_line(line: str, place: Place, notes: Notes) -> str:
    """What is outside of quotes and comments as nginx has it."""
    if line.lstrip().startswith("//"):
        notes.add("corrected", place, "'//' is read as a comment, which '#' begins")
        return ""
    parts = _PARTS.findall(line)
    for number, part in enumerate(parts):
        if part.startswith("#") and (number == 0 or parts[number - 1][-1:].isspace()):
            break
        if part[0] not in "\"'":
            parts[number] = _cleaned_words(part, place, notes)
    return "".join(parts)


def _cleaned_words(part: str, place: Place, notes: Notes) -> str:
    if _QUOTES.search(part):
        notes.add("corrected", place, "typographic quotes are read as nginx's own quotes")
        part = part.translate(_TYPOGRAPHIC)
    if _SPACES.search(part):
        notes.add("corrected", place, "a space that is none to nginx, as pages have them, is read as one")
        part = _SPACES.sub(" ", part)
    if _QUANTIFIED.search(part):
        notes.add("corrected", place, "a regular expression with braces gets the quotes that nginx requires")
        part = _QUANTIFIED.sub(r'"\1"', part)
    return _ELISIONS.sub(f" {ELISION} ", part)


def _noted_statement(match: re.Match[str], text: str, file: str, first: int, notes: Notes) -> str:
    # What begins a block of a template; what ends it says nothing more.
    if re.match(r"\{[%{][-+]?\s*(?:if|for|range)\b", match[0]):
        place = Place(file, _line(text, match.start(), first))
        notes.add(
            "question", place, f"{_short(match[0])} is a template's: all of its branches are read; which one holds?"
        )
    return "\n" * match[0].count("\n")


def _placeholder(match: re.Match[str]) -> str:
    """One word in angle brackets for what a template or a reader fills in."""
    inner = next(group for group in match.groups() if group is not None)
    name = re.sub(r"[^\w.:/-]+", "_", inner.partition("|")[0]).strip("_.")
    return f"<{name or 'value'}>"


def _with_closed_quotes(text: str, file: str, first: int, notes: Notes) -> str:
    """The text with a quote that is closed too late, or never, closed on its own line."""
    for _attempt in range(_MOST_QUOTES):
        open_ones, is_closed = _strings(text)
        wrong = [at for at in open_ones if _holds_directives(text, at)]
        if is_closed and not wrong:
            return text
        if not open_ones:
            return text
        start, _end = (wrong or open_ones)[0]
        end_of_line = text.find("\n", start)
        end_of_line = len(text) if end_of_line < 0 else end_of_line
        code = text[start:end_of_line].rstrip()
        marks = len(code) - len(code.rstrip(";{} \t"))
        at = start + len(code) - marks
        notes.add("corrected", Place(file, _line(text, start, first)), f"the quote {text[start]} is not closed")
        text = text[:at] + text[start] + text[at:]
    return text


def _holds_directives(text: str, at: tuple[int, int]) -> bool:
    """Whether a string has the end of a directive and the beginning of the next one in it."""
    lines = text[at[0] : at[1]].split("\n")
    for line, following in zip(lines, lines[1:]):
        words = following.split()
        if line.rstrip().endswith((";", "{")) and words and "_" in words[0] and grammar.is_known(words[0]):
            return True
    return False


def _strings(text: str) -> tuple[list[tuple[int, int]], bool]:
    """Where strings of more than one line begin and end, and whether the last of all is closed."""
    found = []
    at, is_word = 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at, is_word = at + 2, True
        elif char.isspace() or char in ";{}":
            at, is_word = at + 1, False
        elif char == "#" and not is_word:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif char in "\"'" and not is_word:
            end = _closing(text, at)
            if "\n" in text[at : len(text) if end < 0 else end]:
                found.append((at, len(text) if end < 0 else end))
            if end < 0:
                return found or [(at, len(text))], False
            at = end + 1
        else:
            at, is_word = at + 1, True
    return found, True


def _closing(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == text[start]:
            return at
        at += 1
    return -1


def _line(text: str, at: int, first: int) -> int:
    return first + text.count("\n", 0, at)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else words[:37] + "..."
