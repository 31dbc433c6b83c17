"""Which Hansa a command talks to.

In this order: `--to NAME` from `environments.yaml`, the variables `HANSA_URL` and `HANSA_TOKEN`, the Hansa that
`hansa up` started here (`.hansa/client.json`, looked for upwards), and the `default` of `environments.yaml`:

    default: staging
    environments:
      staging: {url: https://hansa.example.org, token_env: STAGING_TOKEN}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from hansa.errors import CallerError, OperatorError, Unavailable
from hansa.model.ids import did_you_mean

LOCAL_FILE: Final = Path(".hansa") / "client.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """A Hansa with its token. `token_shown` is what a shell command may hold of it: the variable that has the token,
    or the token itself where no variable does."""

    name: str
    url: str
    token: str | None = field(default=None, repr=False)
    token_shown: str | None = field(default=None, repr=False)


class _Local(msgspec.Struct):
    url: str
    token: str | None = None


def find_environment(name: str | None, *, variables: Mapping[str, str], folder: Path, config: Path) -> Environment:
    """The Hansa to talk to, for a command given in `folder`; `config` is the path of environments.yaml.

    Raises `CallerError("environment.unknown")`, `OperatorError("environment.malformed")`, and
    `Unavailable("environment.missing")` where nothing says which.
    """
    if name is not None:
        return _named(name, config, variables)
    if url := variables.get("HANSA_URL"):
        token = variables.get("HANSA_TOKEN")
        return Environment("HANSA_URL", url, token, "$HANSA_TOKEN" if token else None)
    local = find_upwards(folder, LOCAL_FILE)
    if local is not None:
        return _local(local)
    default = _configured(config).get("default")
    if default is not None:
        return _named(str(default), config, variables)
    raise Unavailable(
        "environment.missing",
        "Nothing says which Hansa to talk to",
        hint="Start one with 'hansa up', set HANSA_URL and HANSA_TOKEN, or choose one with '--to'.",
    )


def environment_names(config: Path) -> list[str]:
    """The names in environments.yaml."""
    return sorted(_configured(config).get("environments") or {})


def config_file(variables: Mapping[str, str]) -> Path:
    """Where environments.yaml stands: `~/.config/hansa`, or below `XDG_CONFIG_HOME`."""
    base = variables.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "hansa" / "environments.yaml"


def find_upwards(start: Path, wanted: Path) -> Path | None:
    """The file `wanted` in `start` or the nearest folder above that has it."""
    folders = (start, *start.parents)
    return next((path for folder in folders if (path := folder / wanted).is_file()), None)


def _local(path: Path) -> Environment:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Local)
    except (msgspec.MsgspecError, OSError) as failure:
        hint = "'hansa up' writes it anew."
        raise OperatorError("environment.malformed", f"{path} cannot be read: {failure}", hint=hint) from failure
    return Environment("local", found.url, found.token, found.token)


def _named(name: str, config: Path, variables: Mapping[str, str]) -> Environment:
    known = _configured(config).get("environments") or {}
    found = known.get(name)
    if not isinstance(found, dict):
        example = f"environments: {{{name}: {{url: 'https://…', token_env: NAME_OF_A_VARIABLE}}}}"
        hint = did_you_mean(name, known) or f"Add it in {config}: {example}"
        raise CallerError("environment.unknown", f"There is no environment {name!r}", hint=hint)
    if not isinstance(found.get("url"), str):
        raise OperatorError(
            "environment.malformed",
            f"The environment {name!r} has no url",
            hint=f"Add it in {config}: 'url: https://…'.",
        )
    variable = found.get("token_env")
    token = variables.get(str(variable)) if variable else found.get("token")
    return Environment(name, found["url"], token, f"${variable}" if variable else token)


def _configured(config: Path) -> dict[str, Any]:
    if not config.is_file():
        return {}
    from hansa.contracts.document import read_document

    return read_document(config, str(config)).data
