"""Settings in two YAML files of the data folder, read again when they change.

`connections.yaml` says where to; `secrets.yaml`, which only its owner may read, holds secrets by name in the same
three sections. Wherever a secret is wanted it may be

    text            in a file that only its owner may read
    {env: NAME}     a variable of the server's environment
    {file: path}    the text of a file, read at each use; relative to the data folder
    {secret: name}  the product's secret of that name, from secrets.yaml; not in that file itself
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hansa.egress.settings import KINDS, ConnectionSetting, Scoped, Settings, chosen, malformed
from hansa.errors import OperatorError
from hansa.model.ids import did_you_mean

_SECTIONS: Final = ("all", "domains", "products")
_TEXTS: Final = ("type", "url", "user", "header", "from")
_KEYS: Final = (*_TEXTS, "secret", "headers", "settings", "allow")
_HOME_FORMS: Final = ("env", "file")
_SECRET_FORMS: Final = (*_HOME_FORMS, "secret")
_EXAMPLE: Final = "A connection reads like {type: http, url: 'https://shop.example', secret: {env: SHOP_TOKEN}}."
_SECRET_EXAMPLE: Final = "A secret is text, {env: NAME}, {file: path} or {secret: name}."

Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A value of one of the files, checked as far as can be without its secrets, and where it stands."""

    place: str
    value: Any
    private: bool


class _File:
    """One YAML file's sections, parsed again when the file is another one than before. Missing is empty."""

    def __init__(self, path: Path, check: Callable[[str, Any], None]) -> None:
        self._path = path
        self._check = check
        self._lock = threading.Lock()
        self._stamp: Stamp = None
        self._scoped: Scoped[_Entry] = Scoped()

    def read(self) -> Scoped[_Entry]:
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                private = stamp is not None and not stamp[3] & (stat.S_IRWXG | stat.S_IRWXO)
                self._scoped = Scoped() if stamp is None else self._parse(private)
                self._stamp = stamp
            return self._scoped

    def _parse(self, private: bool) -> Scoped[_Entry]:
        file = self._path.name
        tree = _mapping(file, _load(self._path))
        _known_keys(file, tree, _SECTIONS)

        def names(place: str, value: Any) -> dict[str, _Entry]:
            found = {name: _Entry(f"{place}.{name}", item, private) for name, item in _mapping(place, value).items()}
            for entry in found.values():
                self._check(entry.place, entry.value)
            return found

        def groups(section: str) -> dict[str, dict[str, _Entry]]:
            place = f"{file}: {section}"
            return {key: names(f"{place}.{key}", value) for key, value in _mapping(place, tree.get(section)).items()}

        return Scoped(names(f"{file}: all", tree.get("all")), groups("domains"), groups("products"))


class FileSettings(Settings):
    """The settings in a data folder. `environment` holds the server's variables."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._connections = _File(folder / "connections.yaml", _check_connection)
        self._secrets = _File(folder / "secrets.yaml", partial(_check_secret, forms=_HOME_FORMS))

    def connection(self, product: str, name: str) -> ConnectionSetting:
        entry = chosen(self._connections.read().of(product), product, name)
        value: dict[str, Any] = entry.value

        def revealed(key: str, given: Any) -> str:
            return self._reveal(product, _Entry(f"{entry.place}.{key}", given, entry.private))

        def texts(key: str) -> dict[str, str]:
            found: dict[str, Any] = value.get(key) or {}
            return {
                name: given if isinstance(given, str) else revealed(f"{key}.{name}", given)
                for name, given in found.items()
            }

        return ConnectionSetting(
            name=name,
            kind=value["type"],
            url=value["url"],
            user=value.get("user"),
            secret=revealed("secret", value["secret"]) if "secret" in value else None,
            header=value.get("header"),
            headers=texts("headers"),
            settings=texts("settings"),
            allow=tuple(value.get("allow") or ()),
            sender=value.get("from"),
            base=self._folder,
        )

    def connections(self, product: str) -> tuple[str, ...]:
        return tuple(sorted(self._connections.read().of(product)))

    def secrets(self, product: str) -> Mapping[str, str]:
        """Raises `OperatorError`: `secret.exposed`, `secret.missing`, `connection.malformed`."""
        entries = self._secrets.read().of(product)
        return {name: self._reveal(product, entry) for name, entry in entries.items()}

    def _reveal(self, product: str, entry: _Entry) -> str:
        match entry.value:
            case str(text):
                if not entry.private:
                    raise _exposed(entry.place)
                return text
            case {"env": str(name)}:
                return _found(entry.place, f"the variable {name}", self._environment.get(name))
            case {"file": str(path)}:
                return _found(entry.place, f"the file {path}", _text(self._folder / path))
            case {"secret": str(name)}:
                home = self._secrets.read().of(product).get(name)
                return _found(
                    entry.place, f"the secret {name} of {product}", self._reveal(product, home) if home else None
                )
        raise malformed(entry.place, "this is not a secret", _SECRET_EXAMPLE)


def _check_connection(place: str, value: Any) -> None:
    """Raises `connection.malformed` where the value is not a connection, its secrets aside."""
    tree = _mapping(place, value)
    _known_keys(place, tree, _KEYS)
    for key in _TEXTS:
        if not isinstance(tree.get(key, ""), str):
            raise malformed(f"{place}.{key}", f"{tree[key]!r} is not text", "Put it in quotes.")
    if tree.get("type") not in KINDS:
        raise malformed(f"{place}.type", f"{tree.get('type')!r} is not a type", f"Use one of {', '.join(KINDS)}.")
    if not tree.get("url"):
        raise malformed(f"{place}.url", "there is no url", _EXAMPLE)
    allow = tree.get("allow") or []
    if not isinstance(allow, list) or not all(isinstance(item, str) for item in allow):
        raise malformed(f"{place}.allow", f"{allow!r} is not a list of texts", "Write it like ['10.0.0.0/8'].")
    for key in ("headers", "settings"):
        for name, given in _mapping(f"{place}.{key}", tree.get(key)).items():
            _check_secret(f"{place}.{key}.{name}", given)
    if "secret" in tree:
        _check_secret(f"{place}.secret", tree["secret"])


def _check_secret(place: str, value: Any, forms: tuple[str, ...] = _SECRET_FORMS) -> None:
    """Raises `connection.malformed`, without the value, where it is not one of the forms of a secret."""
    if isinstance(value, str):
        return
    if not isinstance(value, dict) or len(value) != 1 or not all(isinstance(item, str) for item in value.values()):
        raise malformed(place, "this is not a secret", _SECRET_EXAMPLE)
    _known_keys(place, value, forms)


def _load(path: Path) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise malformed(f"{path.name}{line}", str(failure.problem or failure.context), "Mend the YAML.") from None
    except (YAMLError, UnicodeDecodeError) as failure:
        raise malformed(path.name, f"it is not YAML in UTF-8 ({type(failure).__name__})", "Mend the file.") from None


def _mapping(place: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise malformed(place, "this is not a mapping of names", _EXAMPLE)
    return value


def _known_keys(place: str, tree: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in tree:
        if key not in known:
            hint = did_you_mean(key, known) or f"Use {', '.join(known)}."
            raise malformed(f"{place}.{key}", f"{key!r} is not known here", hint)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


def _found(place: str, what: str, text: str | None) -> str:
    if text is None:
        raise OperatorError(
            "secret.missing", f"{place}: {what} cannot be read", hint="Set it where the server runs, then call again."
        )
    return text


def _exposed(place: str) -> OperatorError:
    file = place.partition(":")[0]
    return OperatorError(
        "secret.exposed",
        f"{place} is a secret as plain text, and others may read {file}",
        hint=f"Run `chmod 600 {file}` in the data folder, or use {{env: NAME}} or {{file: path}}.",
    )
