"""Conditions as SQL. A dialect says how a database reads the fields of an item; all else is the same.

Three values as CQL2 and SQL have them: a comparison with what is missing, or of another kind, is neither true
nor false, so that neither it nor its NOT finds an item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol

from fair_models.catalog.search import filters, geometry
from fair_models.catalog.search.query import ItemSearch, SortKey, Viewer, place_of
from fair_models.errors import Invalid
from fair_models.types import Json

Kind = Literal["number", "text", "flag", "time"]

_NUMBER_LAST = 1e308
"""Stands for a number where an item has a text, so that numbers come before texts."""


class Sql(NamedTuple):
    """A piece of SQL with the values of its placeholders."""

    text: str
    values: tuple[Any, ...] = ()


def joined(separator: str, pieces: Iterable[Sql]) -> Sql:
    """Pieces one after the other."""
    found = list(pieces)
    return Sql(separator.join(each.text for each in found), tuple(v for each in found for v in each.values))


def made(template: str, *pieces: Sql) -> Sql:
    """A template with a piece for each `{}`."""
    return Sql(
        template.format(*(each.text for each in pieces)), tuple(v for each in pieces for v in each.values)
    )


class Dialect(Protocol):
    """How one database reads an item."""

    placeholder: str
    start: str
    end: str
    """Begin and end of an item's time, as numbers of seconds or as times: like `moment` gives them."""

    def field(self, name: str, kind: Kind) -> Sql:
        """A property as a kind; NULL where it is missing or of another kind."""

    def is_missing(self, name: str) -> Sql:
        """Whether an item has no such property, or null."""

    def moment(self, seconds: float) -> Sql:
        """A time to compare `start`, `end` and properties of the kind `time` with."""

    def contains(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has all of these texts."""

    def overlaps(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has one of these texts."""

    def is_within(self, name: str, wanted: Sequence[str]) -> Sql:
        """Whether the property, a list, has none but these texts."""

    def spatial(self, operator: str, area: Json) -> Sql:
        """Whether the geometry of an item stands in a relation (`intersects`, `within` …) to another one."""

    def has_text(self, name: str, text: str) -> Sql:
        """Whether the property is this text; as an index has it, where there is one."""

    def plain(self, text: Sql) -> Sql:
        """A text to be ordered by its characters, whatever the language."""

    def folded(self, text: Sql) -> Sql:
        """A text in lower case."""

    def unaccented(self, text: Sql) -> Sql:
        """A text without accents."""

    def has_word(self, word: str) -> Sql:
        """Whether a word, in lower case, is in what free text looks at."""

    def visible(self, viewer: Viewer) -> Sql:
        """Whether an item is there for somebody."""


@dataclass(frozen=True)
class Value:
    """One side of a comparison, as each kind that it can be."""

    kinds: dict[Kind, Sql] = field(default_factory=dict)
    is_property: bool = False


def where(search: ItemSearch, dialect: Dialect) -> Sql:
    """All that a search asks, but for where its page begins.

    Raises:
        Invalid: The condition compares what cannot be compared.
    """
    mark = dialect.placeholder
    parts = [_any_of("collection", search.collections, mark), dialect.visible(search.viewer)]
    if search.ids is not None:
        parts.append(_any_of("id", search.ids, mark))
    if search.end is not None:
        parts.append(made(f"{dialect.start} <= {{}}", dialect.moment(search.end)))
    if search.start is not None:
        parts.append(made(f"{dialect.end} >= {{}}", dialect.moment(search.start)))
    if search.words:
        parts.append(made("({})", joined(" OR ", map(dialect.has_word, search.words))))
    if search.condition is not None:
        parts.append(made("({})", _Compiler(dialect).condition(search.condition)))
    if search.area is not None:  # the dearest comes last
        parts.append(dialect.spatial("intersects", search.area))
    return joined(" AND ", (each for each in parts if each.text))


def _any_of(column: str, values: Sequence[str], mark: str) -> Sql:
    if not values:
        return Sql("1 = 0")
    return Sql(f"{column} IN ({', '.join([mark] * len(values))})", tuple(values))


class Column(NamedTuple):
    """What an order compares; never NULL.

    value: To order by.
    descending: Whether the largest comes first.
    shown: The value as it stands in a token: a text or a number.
    given: A value of a token as SQL.
    """

    value: Sql
    descending: bool
    shown: Sql
    given: str


class Ordering:
    """The order of a search: columns to order by, and what comes after a place.

    Args:
        keys: Fields; of several with one name the first counts.
        columns: The columns of a field, to be compared one after the other.
    """

    def __init__(self, keys: Sequence[SortKey], columns: Callable[[SortKey], list[Column]]) -> None:
        once = {key.field: key for key in reversed(keys)}
        fields = [key for key in keys if once.get(key.field) is key]
        ties = [SortKey(name) for name in ("collection", "id") if name not in once]
        self._columns = [column for key in (*fields, *ties) for column in columns(key)]

    @property
    def shown(self) -> Sql:
        """The values of an item's place."""
        return joined(", ", (column.shown for column in self._columns))

    @property
    def clause(self) -> Sql:
        """What stands after ORDER BY."""
        return joined(
            ", ", (made("{} DESC" if each.descending else "{}", each.value) for each in self._columns)
        )

    def after(self, token: str) -> Sql:
        """What comes after a place.

        Raises:
            Invalid: The token is none, or of another order.
        """
        place = place_of(token, len(self._columns))
        cases, equal = [], list[Sql]()
        for column, said in zip(self._columns, place, strict=True):
            value = Sql(column.given, (said,))
            beyond = made("{} < {}" if column.descending else "{} > {}", column.value, value)
            cases.append(made("({})", joined(" AND ", [*equal, beyond])))
            equal.append(made("{} = {}", column.value, value))
        return made("({})", joined(" OR ", cases))


def property_values(key: SortKey, dialect: Dialect) -> tuple[Sql, Sql, Sql]:
    """What orders by a property: whether it is missing, a number, a text. Numbers come before texts."""
    number, text = dialect.field(key.field, "number"), dialect.field(key.field, "text")
    flag = dialect.field(key.field, "flag")
    missing = made("CASE WHEN {} IS NULL AND {} IS NULL AND {} IS NULL THEN 1 ELSE 0 END", number, text, flag)
    first = made(
        f"coalesce({{}}, CASE WHEN {{}} THEN 1.0 WHEN NOT {{}} THEN 0.0 END, {_NUMBER_LAST})",
        number,
        flag,
        flag,
    )
    return missing, first, made("coalesce({}, '')", text)


class _Compiler:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def condition(self, node: Any) -> Sql:
        """A node that is true or not."""
        if isinstance(node, bool):
            return Sql("1 = 1" if node else "1 = 0")
        if not isinstance(node, dict):
            raise Invalid(f"The filter has {str(node)[:60]!r} where something has to be true or not")
        if "property" in node:
            return self._dialect.field(node["property"], "flag")
        operator, arguments = node.get("op", ""), node.get("args", [])
        if operator in ("and", "or"):
            return made("({})", joined(f" {operator.upper()} ", map(self.condition, arguments)))
        if operator == "not":
            return made("NOT ({})", self.condition(arguments[0]))
        if operator == "isnull":
            return self._dialect.is_missing(self._name(arguments[0], operator))
        if operator in filters.SPATIAL:
            return self._spatial(operator, *arguments)
        if operator in filters.TEMPORAL:
            return self._temporal(operator, *arguments)
        if operator in filters.ARRAYS:
            return self._array(operator, *arguments)
        if operator == "between":
            low, high = (
                self._compare(sign, arguments[0], each)
                for sign, each in zip((">=", "<="), arguments[1:], strict=True)
            )
            return made("({} AND {})", low, high)
        if operator == "in":
            if not isinstance(arguments[1], list) or not arguments[1]:
                raise Invalid("The filter's in needs a list of values as its second argument")
            return made(
                "({})", joined(" OR ", (self._compare("=", arguments[0], each) for each in arguments[1]))
            )
        if operator == "like":
            return self._like(*arguments)
        if operator in ("=", "<>", "<", "<=", ">", ">="):
            return self._compare(operator, *arguments)
        raise Invalid(f"The filter has {operator or str(node)[:60]!r} where something has to be true or not")

    def _compare(self, sign: str, left: Any, right: Any) -> Sql:
        if sign == "=" and isinstance(right, str) and _is_property(left) and not _is_time(left["property"]):
            return self._dialect.has_text(left["property"], _text(right))
        one, other = self._value(left), self._value(right)
        shared = [kind for kind in one.kinds if kind in other.kinds]
        if not shared:
            raise Invalid(
                f"The filter compares {_shown(left)} with {_shown(right)}, which are of different kinds"
            )
        compared = [self._compared(sign, kind, one.kinds[kind], other.kinds[kind]) for kind in shared]
        return compared[0] if len(compared) == 1 else made("coalesce({})", joined(", ", compared))

    def _compared(self, sign: str, kind: Kind, left: Sql, right: Sql) -> Sql:
        return made(f"{{}} {sign} {{}}", self._dialect.plain(left) if kind == "text" else left, right)

    def _value(self, node: Any) -> Value:
        mark = self._dialect.placeholder
        if isinstance(node, bool):
            return Value({"flag": Sql("(1 = 1)" if node else "(1 = 0)")})
        if isinstance(node, int | float):
            return Value({"number": Sql(mark, (_number(node),))})
        if isinstance(node, str):
            return Value({"text": Sql(mark, (_text(node),)), **self._as_time(node)})
        if isinstance(node, dict) and "property" in node:
            return self._property(node["property"])
        if isinstance(node, dict) and ("timestamp" in node or "date" in node):
            begin, _ = _span(node)
            return Value({"time": self._dialect.moment(begin)})
        if isinstance(node, dict) and node.get("op") in filters.ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, dict) and node.get("op") in ("casei", "accenti"):
            text = self._kind(node["args"][0], "text")
            change = self._dialect.folded if node["op"] == "casei" else self._dialect.unaccented
            return Value({"text": change(text)})
        raise Invalid(f"The filter compares {_shown(node)}, which is no value")

    def _as_time(self, text: str) -> dict[Kind, Sql]:
        """A text that is a time can be compared with one."""
        if not _DATE.match(text):
            return {}
        try:
            return {"time": self._dialect.moment(_seconds(text))}
        except Invalid:
            return {}

    def _property(self, name: str) -> Value:
        if name in ("datetime", "start_datetime"):
            return Value({"time": Sql(self._dialect.start)}, is_property=True)
        if name == "end_datetime":
            return Value({"time": Sql(self._dialect.end)}, is_property=True)
        kinds: tuple[Kind, ...] = ("number", "text", "flag", "time")
        return Value({kind: self._dialect.field(name, kind) for kind in kinds}, is_property=True)

    def _arithmetic(self, node: Json) -> Value:
        left, right = (self._kind(each, "number") for each in node["args"])
        if node["op"] == "/":
            return Value({"number": made("({} / nullif({}, 0.0))", left, right)})
        return Value({"number": made(f"({{}} {node['op']} {{}})", left, right)})

    def _kind(self, node: Any, kind: Kind) -> Sql:
        found = self._value(node).kinds.get(kind)
        if found is None:
            raise Invalid(f"The filter takes {_shown(node)} for a {kind}")
        return found

    def _like(self, left: Any, pattern: Any) -> Sql:
        text = pattern
        while isinstance(text, dict) and text.get("op") in ("casei", "accenti"):
            text = text["args"][0]
        if not isinstance(text, str) or text.count("%") > filters.MAX_WILDCARDS:
            raise Invalid(f"The filter's like needs a text with at most {filters.MAX_WILDCARDS} wildcards %")
        if text.endswith("\\") and not text.endswith("\\\\"):
            raise Invalid("The filter's like has a pattern that ends with \\, which is for what follows it")
        return made("{} LIKE {} ESCAPE '\\'", self._kind(left, "text"), self._kind(pattern, "text"))

    def _array(self, operator: str, left: Any, wanted: Any) -> Sql:
        name = self._name(left, operator)
        texts = wanted if isinstance(wanted, list) else [wanted]
        if not all(isinstance(each, str) for each in texts):
            raise Invalid(f"The filter's {operator} needs a list of texts as its second argument")
        texts = [_text(each) for each in texts]
        match operator:
            case "a_contains":
                return self._dialect.contains(name, texts)
            case "a_overlaps":
                return self._dialect.overlaps(name, texts)
            case "a_containedby":
                return self._dialect.is_within(name, texts)
        return made("({} AND {})", self._dialect.contains(name, texts), self._dialect.is_within(name, texts))

    def _name(self, node: Any, operator: str) -> str:
        if not isinstance(node, dict) or "property" not in node:
            raise Invalid(f"The filter's {operator} needs a property as its first argument")
        return str(node["property"])

    def _spatial(self, operator: str, left: Any, right: Any) -> Sql:
        name = operator.removeprefix("s_")
        if not _is_property(left):
            left, right = right, left
            name = {"within": "contains", "contains": "within"}.get(name, name)
        if not _is_property(left) or left["property"] != "geometry":
            raise Invalid(f"The filter's {operator} needs the property geometry and a geometry")
        area = (
            geometry.of_box(right["bbox"])
            if isinstance(right, dict) and "bbox" in right
            else geometry.of_json(right)
        )
        return self._dialect.spatial(name, area)

    def _temporal(self, operator: str, left: Any, right: Any) -> Sql:
        if not _is_property(left):
            raise Invalid(f"The filter's {operator} needs a property as its first argument")
        name = left["property"]
        is_own = _is_time(name)
        low = Sql(self._dialect.start) if is_own else self._dialect.field(name, "time")
        high = Sql(self._dialect.end) if is_own else low
        begin, end = (self._dialect.moment(each) for each in _span(right))
        found = _RELATIONS[operator]
        pieces = {"ll": low, "lh": high, "rl": begin, "rh": end}
        parts = [made(f"{{}} {sign} {{}}", pieces[one], pieces[other]) for one, sign, other in found]
        if operator == "t_disjoint":
            return made("({})", joined(" OR ", parts))
        return made("({})", joined(" AND ", parts))


_RELATIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "t_before": (("lh", "<", "rl"),),
    "t_after": (("ll", ">", "rh"),),
    "t_meets": (("lh", "=", "rl"),),
    "t_metby": (("ll", "=", "rh"),),
    "t_overlaps": (("ll", "<", "rl"), ("rl", "<", "lh"), ("lh", "<", "rh")),
    "t_overlappedby": (("rl", "<", "ll"), ("ll", "<", "rh"), ("lh", ">", "rh")),
    "t_starts": (("ll", "=", "rl"), ("lh", "<", "rh")),
    "t_startedby": (("ll", "=", "rl"), ("lh", ">", "rh")),
    "t_during": (("ll", ">", "rl"), ("lh", "<", "rh")),
    "t_contains": (("ll", "<", "rl"), ("lh", ">", "rh")),
    "t_finishes": (("ll", ">", "rl"), ("lh", "=", "rh")),
    "t_finishedby": (("ll", "<", "rl"), ("lh", "=", "rh")),
    "t_equals": (("ll", "=", "rl"), ("lh", "=", "rh")),
    "t_intersects": (("ll", "<=", "rh"), ("lh", ">=", "rl")),
    "t_disjoint": (("ll", ">", "rh"), ("lh", "<", "rl")),
}
"""Relations of spans: begin and end (`l`, `h`) of the item's (`l`) and of the one asked (`r`)."""

EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC).timestamp(), datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _span(node: Any) -> tuple[float, float]:
    """Begin and end of what CQL2 calls an instant or an interval."""
    if isinstance(node, dict) and isinstance(node.get("timestamp"), str):
        moment = _seconds(node["timestamp"])
        return moment, moment
    if isinstance(node, dict) and isinstance(node.get("date"), str):
        day = _seconds(node["date"])
        return day, day
    ends = node.get("interval") if isinstance(node, dict) else None
    if isinstance(ends, list) and len(ends) == 2:
        low, high = (
            None if each == ".." else _span(each if isinstance(each, dict) else {"timestamp": each})
            for each in ends
        )
        return (low[0] if low else EARLIEST), (high[1] if high else LATEST)
    raise Invalid(
        f"The filter has {_shown(node)} in place of a time: write it as "
        '{"timestamp": "2026-01-01T00:00:00Z"}'
    )


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid(f"The filter's {text[:40]!r} is no time: write it as 2026-01-01T00:00:00Z") from error


def _is_property(node: Any) -> bool:
    return isinstance(node, dict) and "property" in node


def _is_time(name: str) -> bool:
    """Whether it is one of the times that every item has."""
    return name in ("datetime", "start_datetime", "end_datetime")


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise Invalid("The filter has a number that is too large to compare with") from error


def _text(value: str) -> str:
    """A text that databases take."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The filter has a text that is no Unicode") from error
    if "\0" in value:
        raise Invalid("The filter has a text with a NUL character, which no item has")
    return value


def _shown(node: Any) -> str:
    return str(node["property"]) if _is_property(node) else repr(node)[:60]
