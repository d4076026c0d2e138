"""DynamoDB's expressions, as far as the runtime writes them, compiled once each.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tests.simulation.unknown import NotSimulatedError

#: An item as the wire has it, or None; names of attributes and values by their placeholders.
Item = dict[str, dict[str, Any]]
Test = Callable[[Item, dict[str, str], Item], bool]
_Operand = Callable[[Item, dict[str, str], Item], dict[str, Any] | None]

_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),+-]|[#:]?[A-Za-z_][A-Za-z0-9_]*)")
_COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plain(value: dict[str, Any]) -> Any:
    """Return a wire value that can be compared."""
    ((kind, inner),) = value.items()
    return Decimal(inner) if kind == "N" else inner


@lru_cache(maxsize=256)
def condition(text: str) -> Test:
    """Return the test that a condition, key condition or filter expression is."""
    parser = _Parser(text)
    test = parser.either()
    parser.end()
    return test


@lru_cache(maxsize=256)
def update(text: str) -> Callable[[Item, dict[str, str], Item], Item]:
    """Return what an update expression makes of an item; SET and REMOVE."""
    parser = _Parser(text)
    changes: list[tuple[str, _Operand | None]] = []
    while parser.more():
        word = parser.take().upper()
        if word not in ("SET", "REMOVE"):
            raise NotSimulatedError(f"update expression {text!r}")
        while True:
            name = parser.take()
            if word == "SET":
                parser.expect("=")
                changes.append((name, parser.sum()))
            else:
                changes.append((name, None))
            if not parser.accept(","):
                break

    def apply(item: Item, names: dict[str, str], values: Item) -> Item:
        made = dict(item)
        for name, operand in changes:
            attribute = names.get(name, name)
            value = operand(item, names, values) if operand else None
            if value is None:
                made.pop(attribute, None)
            else:
                made[attribute] = value
        return made

    return apply


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, at = text, list[str](), 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise NotSimulatedError(f"expression {text!r} at {at}")
            self._tokens.append(found[1])
            at = found.end()

    def more(self) -> bool:
        return bool(self._tokens)

    def take(self) -> str:
        return self._tokens.pop(0)

    def accept(self, token: str) -> bool:
        if self._tokens and self._tokens[0].upper() == token:
            self._tokens.pop(0)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise NotSimulatedError(f"expression {self._text!r}: no {token}")

    def end(self) -> None:
        if self._tokens:
            raise NotSimulatedError(f"expression {self._text!r}: {self._tokens}")

    def either(self) -> Test:
        tests = [self._both()]
        while self.accept("OR"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda *given: any(test(*given) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self.accept("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda *given: all(test(*given) for test in tests)

    def _one(self) -> Test:
        if self.accept("NOT"):
            inner = self._one()
            return lambda *given: not inner(*given)
        if self.accept("("):
            inner = self.either()
            self.expect(")")
            return inner
        for function in ("attribute_not_exists", "attribute_exists", "begins_with"):
            if self.accept(function.upper()):
                return self._function(function)
        return self._comparison()

    def _function(self, function: str) -> Test:
        self.expect("(")
        left = self._operand()
        right = self._operand() if self.accept(",") else None
        self.expect(")")
        if function == "attribute_not_exists":
            return lambda *given: left(*given) is None
        if function == "attribute_exists":
            return lambda *given: left(*given) is not None
        assert right is not None

        def begins(*given: Any) -> bool:
            one, other = left(*given), right(*given)
            return one is not None and other is not None and plain(one).startswith(plain(other))

        return begins

    def _comparison(self) -> Test:
        left = self._operand()
        if self.accept("BETWEEN"):
            low = self._operand()
            self.expect("AND")
            high = self._operand()

            def between(*given: Any) -> bool:
                it, least, most = left(*given), low(*given), high(*given)
                return it is not None and plain(least or {}) <= plain(it) <= plain(most or {})

            return between
        token = self.take()
        if token not in _COMPARE:
            raise NotSimulatedError(f"expression {self._text!r}: {token}")
        compare = _COMPARE[token]
        right = self._operand()

        def holds(*given: Any) -> bool:
            one, other = left(*given), right(*given)
            if one is None or other is None or one.keys() != other.keys():
                return compare is operator.ne
            return bool(compare(plain(one), plain(other)))

        return holds

    def sum(self) -> _Operand:
        left = self._operand()
        sign = 1 if self.accept("+") else -1 if self.accept("-") else 0
        if not sign:
            return left
        right = self._operand()

        def added(*given: Any) -> dict[str, Any]:
            return {"N": str(plain(left(*given) or {"N": "0"}) + sign * plain(right(*given) or {"N": "0"}))}

        return added

    def _operand(self) -> _Operand:
        token = self.take()
        if token.startswith(":"):
            return lambda item, names, values: values[token]
        if token == "if_not_exists":
            self.expect("(")
            name = self.take()
            self.expect(",")
            other = self._operand()
            self.expect(")")
            return lambda item, names, values: item.get(names.get(name, name)) or other(item, names, values)
        return lambda item, names, values: item.get(names.get(token, token))
