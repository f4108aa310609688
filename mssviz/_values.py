"""Values out of JSON that anybody may have written: each has a type, a range, and one error."""

import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mssviz.errors import ParameterError, reason

#: Most bytes of a JSON file that is read.
LARGEST_JSON = 1 << 20
#: Most bytes of a YAML file that is read, which takes 20 s a megabyte.
LARGEST_YAML = 1 << 17
#: Name of a stem or of a file. It has no separators, no leading dot or dash, and nothing that
#: formats, patterns, shells and file systems take for more than a letter.
_NAME = re.compile(r"\w(?:[\w .,()+&'-]{0,98}[\w)])?")


def read_json(path: Path) -> Any:
    """Read the content of a JSON file.

    Raises
    ------
    ValueError
        If the file is not JSON of ordinary size and depth.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError(f"over {LARGEST_JSON >> 20} MiB")
    try:
        return json.loads(
            content.decode("utf-8"),
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(value: Any) -> str:
    """Show a value in a message, in one line and short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def is_name(value: Any) -> bool:
    """Whether a value can be the name of a stem or of a file, in any use that is made of it."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_sha256(value: Any, least: int = 64) -> bool:
    """Whether a value is a SHA-256 in hexadecimal, or at least so many of its first digits."""
    return isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{least},64}}", value) is not None


def check_option(option: Any, name: str, most: int, depth: int = 0) -> None:
    """Refuse a value that cannot be an option of any function.

    Parameters
    ----------
    option
        A number, a word, true, false or null; or a list or an object of these, perhaps nested.
    name
        Name of the option, for messages.
    most
        Largest absolute value of a number.
    """
    parts: list[Any] = []
    if isinstance(option, list | Mapping) and depth < 2:
        parts = list(option.values() if isinstance(option, Mapping) else option)
    elif is_number(option):
        if not -most <= option <= most:
            raise ParameterError(f"{name} must be from {-most} to {most} (got {shown(option)})")
    elif not (option is None or isinstance(option, bool) or is_name(option)):
        raise ParameterError(f"{name} must be a number or a word (got {shown(option)})")
    if len(parts) > 128:
        raise ParameterError(f"{name} must have at most 128 entries (got {len(parts)})")
    for part in parts:
        check_option(part, name, most, depth + 1)


class Values:
    """A JSON object that is read key by key.

    Parameters
    ----------
    content
        Value that should be an object.
    name
        Name of the object, for messages; empty for the outermost.

    Raises
    ------
    ParameterError
        If the content is no object. Every method raises it, too, if a value is not as required.
    """

    def __init__(self, content: Any, name: str = "") -> None:
        if not isinstance(content, Mapping):
            raise ParameterError(f"{name or 'it'} must be an object (got {shown(content)})")
        self.content = content
        self._prefix = f"{name}." if name else ""

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def raw(self, key: str) -> Any:
        """Get any value that is there."""
        if key not in self.content:
            raise ParameterError(f"key {self._prefix + key!r} is missing")
        return self.content[key]

    def inner(self, key: str) -> "Values":
        """Get an object; an empty one if there is none."""
        return Values(self.content.get(key, {}), self._prefix + key)

    def each(self, key: str) -> dict[str, "Values"]:
        """Get the objects of a list by number, or those of an object of plain names by name."""
        value = self.raw(key)
        if isinstance(value, list):
            value = {str(number): part for number, part in enumerate(value)}
        if not isinstance(value, Mapping) or not all(map(is_name, value)):
            raise self._wrong(key, "a list of objects, or an object whose keys are plain names")
        return {name: Values(part, f"{self._prefix}{key}.{name}") for name, part in value.items()}

    def flag(self, key: str) -> bool:
        """Get true or false, or these as the words yes and no."""
        value = self.raw(key)
        if isinstance(value, bool):
            return value
        return self.choice(key, ("yes", "no")) == "yes"

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """Get a whole number from `least` to `most`."""
        if default is not None and key not in self.content:
            return default
        value = self.raw(key)
        if is_number(value) and least <= value <= most and value == int(value):
            return int(value)
        raise self._wrong(key, f"a whole number from {least} to {most}")

    def real(self, key: str, least: float, most: float, default: float | None = None) -> float:
        """Get a number from `least` to `most`."""
        if default is not None and key not in self.content:
            return default
        value = self.raw(key)
        if is_number(value) and least <= value <= most:
            return float(value)
        raise self._wrong(key, f"a number from {least:g} to {most:g}")

    def text(self, key: str, default: str | None = None, most: int = 2000) -> str:
        """Get printable text, perhaps of several lines."""
        if default is not None and key not in self.content:
            return default
        value = self.raw(key)
        if isinstance(value, str) and len(value) <= most and _is_printable(value):
            return value
        raise self._wrong(key, f"printable text of up to {most} characters")

    def line(self, key: str, default: str | None = None) -> str:
        """Get printable text of one line."""
        value = self.text(key, default, 500)
        if not value.isprintable():
            raise self._wrong(key, "a single line of text")
        return value

    def lines(self, key: str) -> list[str]:
        """Get texts of one line each, or a single one."""
        value = self.raw(key)
        texts = value if isinstance(value, list) else [value]
        if not texts:
            raise self._wrong(key, "a line of text, or a list of these")
        return [Values({key: text}, self._prefix.rstrip(".")).line(key) for text in texts]

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """Get one of several words."""
        value = self.raw(key) if default is None else self.content.get(key, default)
        if isinstance(value, str) and value in choices:
            return value
        raise self._wrong(key, " or ".join(map(repr, choices)))

    def name(self, key: str) -> str:
        """Get a plain name, see `is_name`."""
        value = self.raw(key)
        if is_name(value):
            return str(value)
        raise self._wrong(key, "a plain name, without / \\ : { } and the like")

    def names(self, key: str, most: int = 64) -> tuple[str, ...]:
        """Get different plain names, see `is_name`."""
        value = self.raw(key)
        if (
            isinstance(value, list | tuple)
            and 1 <= len(value) <= most
            and all(is_name(name) for name in value)
            and len({name.casefold() for name in value}) == len(value)  # also as names of files
        ):
            return tuple(value)
        raise self._wrong(
            key, f"1 to {most} different plain names, without / \\ : {{ }} and the like"
        )

    def _wrong(self, key: str, required: str) -> ParameterError:
        found = shown(self.content.get(key))
        return ParameterError(f"{self._prefix}{key} must be {required} (got {found})")


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _is_printable(text: str) -> bool:
    return text.replace("\n", "").replace("\t", "").isprintable()


def load_json(path: Path, what: str) -> Any:
    """Read a file of JSON.

    Parameters
    ----------
    path
        Path of the file.
    what
        Description of the file, for the message, such as ``"a configuration"``.

    Raises
    ------
    ParameterError
        If the file is not JSON or cannot be read.
    """
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path}: not {what} in JSON ({reason(error)})") from error


def load_yaml(path: Path, what: str) -> Any:
    """Read a file of YAML: plain values, lists and objects, and nothing that runs.

    Parameters
    ----------
    path, what
        Path and description of the file, as in `load_json`.

    Raises
    ------
    ParameterError
        If the file is not YAML, is larger than `LARGEST_YAML`, or has tags or aliases: the first
        make objects of Python, the second make much out of little. Python's tuples are lists.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("it has aliases, which are not read")
            return super().compose_node(parent, index)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_sequence)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_YAML + 1)
        if len(content) > LARGEST_YAML:
            raise ValueError(f"over {LARGEST_YAML >> 10} KiB")
        return yaml.load(content.decode("utf-8"), Loader)  # noqa: S506, a safe one
    except (OSError, ValueError, LookupError, AttributeError, yaml.YAMLError) as error:
        raise ParameterError(f"{path}: not {what} in YAML ({reason(error)})") from error
    except (RecursionError, TypeError) as error:
        raise ParameterError(f"{path}: not {what} in YAML of ordinary depth") from error
