# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree of directives of a text, tolerant where nginx is not: what is mended is noted."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.lexing import ELISION, Token, tokens
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

# No configuration is deeper. More would be too deep for what reads the tree.
_DEEPEST = 20
# What cannot be a name of a host, so that a directive without its semicolon before it ends there.
_NO_NAMES = ("listen", "location", "root", "return", "index", "rewrite", "include")


def parsed(text: str, file: str, line: int, notes: Notes) -> list[Directive]:
    """The directives of a text whose first line is `line` of its file, on whatever level they belong to."""
    builder = _Builder(file, notes)
    words: list[Token] = []
    for token in tokens(text, file, line, notes):
        if not token.mark:
            words.append(token)
        elif token.mark == "{":
            builder.statement(words, token, opens=True)
            words = []
        elif token.mark == ";":
            builder.statement(words, token)
            words = []
        else:
            builder.end_of_block(words, token)
            words = []
    return builder.end(words)


@dataclass
class _Open:
    """A block that is not closed yet."""

    name: str
    args: tuple[str, ...]
    place: Place
    context: str
    inner: list[Directive] = field(default_factory=list)


class _Builder:
    def __init__(self, file: str, notes: Notes) -> None:
        self._file = file
        self._notes = notes
        self._stack = [_Open("", (), Place(file), grammar.ANY)]
        # Blocks deeper than any are not opened, but their ends are counted.
        self._ignored = 0

    def statement(self, words: list[Token], end: Token, *, opens: bool = False) -> None:
        words = self._without_elisions(words)
        if not words:
            self._empty(end, opens=opens)
            return
        is_after_if = False
        while words:
            at = self._end_of_directive(words, opens=opens)
            group, words = words[:at], words[at:]
            opened = self._add(group, opens=opens and not words)
            if words and not opened:
                self._missing_semicolon(group)
            if is_after_if:
                # As in C: a condition for one directive.
                self._close()
            is_after_if = opened and not opens and group[0].word == "if"

    def end_of_block(self, words: list[Token], end: Token) -> None:
        if words:
            if any(not self._is_elision(word) for word in words):
                self._missing_semicolon(words)
            self.statement(words, end)
        if self._ignored:
            self._ignored -= 1
        elif len(self._stack) == 1:
            self._note(end.line, "a '}' without its '{' is left out")
        else:
            self._close()

    def end(self, words: list[Token]) -> list[Directive]:
        if words:
            if len(words) > 1 and any(not self._is_elision(word) for word in words):
                self._missing_semicolon(words)
            self.statement(words, words[-1])
        while len(self._stack) > 1:
            block = self._stack[-1]
            self._notes.add(
                "corrected", block.place, f"the block '{block.name}' has no '}}'; it ends where the text does"
            )
            self._close()
        return self._stack[0].inner

    @property
    def _context(self) -> str:
        return self._stack[-1].context

    def _add(self, group: list[Token], *, opens: bool) -> bool:
        """Whether it is a block, which what follows is in."""
        name = self._name(group, opens=opens)
        args = tuple(word.word for word in group[1:])
        place = Place(self._file, group[0].line)
        while opens and len(self._stack) > 1 and self._belongs_outside(name):
            block = self._stack[-1]
            self._note(
                group[0].line, f"the block '{block.name}' of line {block.place.line} has no '}}' before '{name}'"
            )
            self._close(hoist=True)
        if not opens and self._needs_block(name, args):
            self._note(group[0].line, f"'{name}' has no '{{'")
            opens = True
        if not opens:
            self._stack[-1].inner.append(Directive(name, args, place))
        elif len(self._stack) >= _DEEPEST:
            self._note(group[0].line, f"'{name}' is in too many blocks: its own is not read as one")
            self._ignored += 1
        else:
            self._stack.append(_Open(name, args, place, grammar.inside(name, self._context)))
        return opens

    def _needs_block(self, name: str, args: tuple[str, ...]) -> bool:
        # A server with arguments is one of an upstream, whose snippet this may be.
        return grammar.opens_only(name, self._context) and not (name == "server" and args)

    def _belongs_outside(self, name: str) -> bool:
        """Whether a block cannot be here, and could be further out: the block around it was not closed."""
        if self._context not in ("server", "location", "upstream", "if in server", "if in location", "limit_except"):
            return False
        if not grammar.is_known(name) or grammar.can_open(name, self._context):
            return False
        return any(grammar.can_open(name, block.context) for block in self._stack)

    def _close(self, *, hoist: bool = False) -> None:
        """With hoist, of a block without its end: the locations in it are beside it rather."""
        block = self._stack.pop()
        outside = [one for one in block.inner if hoist and block.name == "location" == one.name]
        inner = [one for one in block.inner if one not in outside]
        self._stack[-1].inner += [Directive(block.name, block.args, block.place, tuple(inner)), *outside]

    def _empty(self, end: Token, *, opens: bool) -> None:
        if opens:
            self._note(end.line, "a '{' without a directive before it is left out, with its '}'")
            self._ignored += 1
        elif end.mark == ";" and self._context != "table":
            self._note(end.line, "a ';' without a directive before it is left out")

    def _without_elisions(self, words: list[Token]) -> list[Token]:
        for word in words:
            if self._is_elision(word):
                self._stack[-1].inner.append(Directive(ELISION, (), Place(self._file, word.line)))
        return [word for word in words if not self._is_elision(word)]

    @staticmethod
    def _is_elision(word: Token) -> bool:
        return word.word == ELISION and not word.is_quoted

    def _name(self, group: list[Token], *, opens: bool) -> str:
        name, context = group[0].word, self._context
        if group[0].is_quoted or context in ("table", "unknown") or grammar.is_known(name):
            return name
        near = grammar.nearest(name, context, opens=opens)
        if near is None:
            return name
        self._note(group[0].line, f"'{name}' is no directive of nginx: read as '{near}'")
        return near

    def _end_of_directive(self, words: list[Token], *, opens: bool) -> int:
        """How many of the words are one directive: not all where a semicolon is missing."""
        if self._context in ("table", "unknown"):
            return len(words)
        first = words[0].word
        if not grammar.is_known(first):
            first = grammar.nearest(first, self._context, opens=False) or first
        return next((at for at in range(1, len(words)) if self._begins(words, at, first, opens=opens)), len(words))

    def _begins(self, words: list[Token], at: int, first: str, *, opens: bool) -> bool:
        """Whether the word at a place begins a directive, so that something is missing before it."""
        word, context = words[at].word, self._context
        if not grammar.is_known(word) and words[at].line > words[at - 1].line:
            # Misspelled as well, on the next line.
            word = grammar.nearest(word, context, opens=False) or word
        if words[at].is_quoted or not grammar.is_known(word):
            return False
        before, rest = [token.word for token in words[1:at]], [token.word for token in words[at + 1 :]]
        if not opens and self._needs_block(first, tuple(before)):
            inner = grammar.inside(first, context)
            return grammar.takes(first, before, context, opens=True) and grammar.is_allowed(word, inner)
        if not grammar.is_allowed(word, context):
            return False
        if words[at].line > words[at - 1].line:
            return True
        if opens:
            can = grammar.can_open(word, context) and not grammar.can_open(first, context)
            return can and grammar.takes(word, rest, context, opens=True)
        return self._begins_on_its_line(first, before, word, rest)

    def _begins_on_its_line(self, first: str, before: list[str], word: str, rest: list[str]) -> bool:
        context = self._context
        if not before or not rest or not grammar.takes(first, before, context, opens=False):
            return False
        if not grammar.is_open_ended(first, context):
            return not grammar.takes(first, [*before, word, *rest], context, opens=False)
        if context == "upstream":
            return word == "server"
        return first in ("listen", "server_name") and ("_" in word or word in _NO_NAMES)

    def _missing_semicolon(self, words: list[Token]) -> None:
        written = [word.word for word in words if not self._is_elision(word)]
        text = " ".join(written)
        self._note(words[0].line, f"the ';' after '{text if len(text) <= 60 else text[:57] + '...'}' is missing")

    def _note(self, line: int, text: str) -> None:
        self._notes.add("corrected", Place(self._file, line), text)
