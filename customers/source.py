"""YAML as the registry reads it: plain data with the line of every value, and no guessed types.

Scalars follow YAML 1.2, as in the editors that check these files: `no` and `2026-01-31` are text. Anchors,
aliases, tags and merge keys are refused: the meaning of a line must not depend on another line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from customers.paths import KeyPath, shown

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
#: YAML 1.1 reads it as octal, YAML 1.2 as decimal.
_OCTAL = re.compile(r"[-+]?0[0-9]+")
#: Line breaks to YAML 1.1 but not to editors, and marks that reorder what an editor shows. A comment that
#: holds one can hide a line, or show one that is not there. https://www.unicode.org/reports/tr36/
_DECEIVING = re.compile("[\x85\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
#: PyYAML's messages, and what to do about each.
_REMEDIES = {
    "mapping values are not allowed": "a value holds ': ', or the indentation is wrong; quote the value",
    "could not find expected ':'": "a key has no ':'; add it, or quote the text above",
    "found character '\\t'": "there is a tab; indent with spaces",
    "expected <block end>": "the indentation does not fit the lines above; align it with its neighbours",
    "found unexpected end of stream": "a quote is opened here and never closed; close it",
    "expected ',' or": "a bracket is opened here and not closed, or a ',' is missing; close it",
    "expected the node content": "a bracket is never closed, or a value is missing; close it",
    "special characters are not allowed": "there is a control character; remove it",
}


@dataclass
class Document:
    """The contents of one file: its data, the line of each path in it, and the faults of its YAML.

    It is not `sound` if the data is not what the author meant, so that further messages would mislead.
    """

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[tuple[int, KeyPath, str]] = field(default_factory=list)
    sound: bool = True

    def line(self, path: KeyPath) -> int:
        """Return the line of a path, or of the nearest path above it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, line: int, message: str, path: KeyPath = (), *, sound: bool = True) -> None:
        """Add a fault; `sound` says whether the data can still be checked."""
        self.faults.append((line, path, message))
        self.sound &= sound


class _Composer(yaml.composer.Composer):
    """A composer of node trees that records what the registry does not allow and continues."""

    document: Document
    #: Methods of the parser that it is combined with.
    peek_event: Callable[[], Any]
    get_event: Callable[[], Any]
    dispose: Callable[[], None]

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        start, end = event.start_mark, event.end_mark
        line = start.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.get_event()
            self.document.fault(line, "aliases are not allowed; write the value out", sound=False)
            return yaml.ScalarNode("alias", "", start, end)
        if event.anchor is not None:
            self.document.fault(line, "anchors are not allowed; write the value out where it is needed")
            event.anchor = None
        # An explicit tag, not one that the loader would derive.
        if event.tag is not None:
            self.document.fault(
                line, "tags are not allowed; to make a value text, put it in quotes", sound=False
            )
            event.tag = None
        if isinstance(event, yaml.ScalarEvent):
            event.style = event.style or None  # for a scalar without quotes libyaml has ''
        return super().compose_node(parent, index)


class _Loader(_Composer, yaml.SafeLoader):
    """PyYAML's own parser, whose messages are known above."""


class _FastLoader(_Composer, yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """libyaml's parser, which is twenty times as fast; its messages are not used."""

    def __init__(self, text: str) -> None:
        self._parser = yaml._yaml.CParser(text)
        _Composer.__init__(self)
        for name in ("check_event", "get_event", "peek_event", "dispose"):
            setattr(self, name, getattr(self._parser, name))
        yaml.constructor.SafeConstructor.__init__(self)
        yaml.resolver.Resolver.__init__(self)


def read(text: str) -> Document:
    """Return the document in `text`. If the YAML is wrong, it has faults, and its data may be None."""
    if found := _DECEIVING.search(text):
        document = Document()
        what = f"the invisible character U+{ord(found[0]):04X}"
        document.fault(text.count("\n", 0, found.start()) + 1, f"holds {what}; remove it")
        return document
    if yaml.__with_libyaml__ and "\t" not in text:  # the two treat tabs differently
        document = _read(text, _FastLoader)
        if not document.faults:
            return document
    return _read(text, _Loader)


def _read(text: str, kind: type[_Loader] | type[_FastLoader]) -> Document:
    document = Document()
    loader = None
    try:
        loader = kind(text)
        loader.document = document
        node = loader.get_node() if loader.check_node() else None
        if node is None or (
            isinstance(node, yaml.ScalarNode) and _scalar(node) is None and not document.faults
        ):
            document.fault(1, "is empty; describe a customer in it or remove the file")
        elif not isinstance(node, yaml.MappingNode):
            document.fault(
                node.start_mark.line + 1, "holds no keys and values; write `id:`, `name:` and so on"
            )
        else:
            document.lines[()] = node.start_mark.line + 1
            document.data = _value(node, (), document)
        if loader.check_node() and (second := loader.get_node()):
            line = second.start_mark.line + 1
            document.fault(line, "a second document begins here; write one customer per file")
    except yaml.MarkedYAMLError as error:
        # Report an unclosed quote or bracket where it begins, not at the end of the file.
        opened = (error.context or "").startswith(("while parsing a flow", "while scanning a quoted"))
        mark = (opened and error.context_mark) or error.problem_mark or error.context_mark
        document.fault(mark.line + 1 if mark else 1, _remedy(error.problem or error.context or ""))
    except yaml.reader.ReaderError as error:
        document.fault(text.count("\n", 0, error.position) + 1, _remedy(error.reason))
    except RecursionError:
        document.fault(1, "is nested too deeply to be a customer")
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _remedy(problem: str) -> str:
    for start, remedy in _REMEDIES.items():
        if problem.startswith(start):
            return f"is not YAML: {remedy}"
    return f"is not YAML: {problem}"


def _value(node: yaml.Node, path: KeyPath, document: Document) -> Any:
    """Return the data of a node, and record the line of everything below it."""
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, item in enumerate(node.value):
            document.lines[*path, number] = item.start_mark.line + 1
            items.append(_value(item, (*path, number), document))
        return items
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    assert isinstance(node, yaml.ScalarNode), f"YAML has no {type(node).__name__}"
    if node.style is None and _OCTAL.fullmatch(node.value):
        line, text = node.start_mark.line + 1, shown(node.value)
        document.fault(line, f"{text} may be read as an octal number; write it without a leading 0", path)
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Any]:
    data: dict[str, Any] = {}
    keys: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.fault(line, "a list or mapping cannot be a key; write a word", path)
            continue
        key = key_node.value
        if key == "<<" and key_node.style is None:
            document.fault(line, "merge keys are not allowed; write the values out", path, sound=False)
            continue
        if not isinstance(_scalar(key_node), str):
            document.fault(line, f"the key {shown(key)} is not text; put it in quotes", path)
            continue
        if key in keys:
            document.fault(line, f"is given twice, first on line {keys[key]}; remove one", (*path, key))
            continue
        keys[key] = line
        # A long text may begin below its key.
        scalar = isinstance(value_node, yaml.ScalarNode) and value_node.value
        document.lines[*path, key] = value_node.start_mark.line + 1 if scalar else line
        data[key] = _value(value_node, (*path, key), document)
    return data


def _scalar(node: yaml.ScalarNode) -> str | int | bool | None:
    text: str = node.value
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _INTEGER.fullmatch(text) else text
