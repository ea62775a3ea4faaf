# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML documents as plain data whose mappings and lists know the lines that their items came from."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import yaml

# As in Ansible's own files: booleans of YAML 1.1.
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# More than any file of an operator has; aliases of aliases can stand for billions of them.
_MOST_NODES = 200_000


class DocumentError(ValueError):
    """What is no YAML, or none that a person wrote."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class Map(dict[t.Any, t.Any]):
    """A mapping, with the line of each value: of its first line of text, where it is a block of text."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[t.Any, int] = {}


class Items(list[t.Any]):
    """A list, with the line of each item."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[t.Any, int] = {}


def line_of(container: object, key: object = None) -> int:
    """The line of an item, or of the whole; 0 where it is not known, as with data that was not read by load()."""
    whole: int = getattr(container, "line", 0)
    lines: dict[object, int] = getattr(container, "lines", {})
    return whole if key is None else lines.get(key, whole)


def load(text: str) -> list[t.Any]:
    """The documents of a text, or a DocumentError. Values with a tag, such as !vault, are expressions of Jinja2."""
    found = []
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                _count(node, {}, set())
                found.append(_built(node, loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(mark.line + 1 if mark else 0, error.problem or "is no YAML") from None
    except yaml.YAMLError as error:
        raise DocumentError(0, str(error).splitlines()[0]) from None
    except RecursionError:
        raise DocumentError(0, "is nested too deeply") from None
    return found


def mapping(value: object) -> Mapping[t.Any, t.Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else Map(0)


def items(value: object) -> list[t.Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else Items(0)


def is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float)) or value is None


def scalar(value: object) -> str:
    """A scalar as nginx's files have it: nothing for null and for what is none, on and off for booleans."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if isinstance(value, (str, int, float)) else ""


def _count(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """How many values a node stands for, each alias counted as what it repeats."""
    if id(node) in within:
        raise DocumentError(node.start_mark.line + 1, "contains itself")
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        pairs = isinstance(node, yaml.MappingNode)
        within.add(id(node))
        known[id(node)] = 1 + sum(
            _count(child, known, within) for item in inner for child in (item if pairs else (item,))
        )
        within.remove(id(node))
    if known[id(node)] > _MOST_NODES:
        raise DocumentError(node.start_mark.line + 1, f"has more than {_MOST_NODES} values")
    return known[id(node)]


def _built(node: yaml.Node, loader: yaml.SafeLoader) -> t.Any:
    line: int = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        found = Items(line)
        for at, item in enumerate(node.value):
            found.append(_built(item, loader))
            found.lines[at] = _line(item)
        return found
    pairs = Map(line)
    if not isinstance(node, yaml.MappingNode):
        return pairs
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = _built(key_node, loader)
        value = _built(value_node, loader)
        if not is_scalar(key):
            # As "{{ variable }}" is without its quotes.
            key = f"{{{{ {', '.join(map(str, key))} }}}}"
            if value is None and len(node.value) == 1:
                return key
        pairs[key] = value
        pairs.lines[key] = (
            _line(value_node) if isinstance(value_node, yaml.ScalarNode) else key_node.start_mark.line + 1
        )
    return pairs


def _line(node: yaml.Node) -> int:
    # The text of a block begins below its sign.
    below = 1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else 0
    return int(node.start_mark.line) + 1 + below


def _scalar(node: yaml.ScalarNode) -> object:
    text: str = node.value
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool":
        return _BOOLEANS.get(text.lower(), text)
    if kind in ("int", "float"):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            return text
    if node.tag == "!unsafe" or kind != node.tag:
        return text
    return f"{{{{ {node.tag} }}}}"
