"""Rules of ODCS in SQL, over a file: each query is one SELECT of one number, which is held against the rule's bound.

They are carried out by a DuckDB in memory that can read that file and nothing else: no other file, no network, no
extension, and no setting that would change it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hansa.contracts.quality.threshold import accepts
from hansa.model.product import ContractSpec, RuleSpec
from hansa.model.run import CheckResult

if TYPE_CHECKING:
    import duckdb

_PLACES: Final = re.compile(r"\$?\{(?:(?P<whole>object|table|model|schema)|property|column|field)\}")


def answered(contract: ContractSpec, path: Path, reader: str) -> dict[str, CheckResult]:
    """What each rule in SQL comes to over a file, by its id; a query that cannot be carried out is an `error`, with the
    reason. `reader` is the function of DuckDB that reads the file. Needs DuckDB."""
    rules = [rule for rule in contract.rules if rule.kind == "sql" and rule.operator]
    if not rules:
        return {}
    import duckdb

    file = "'" + str(path.absolute()).replace("'", "''") + "'"
    settings: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    with duckdb.connect(config=settings) as db:
        db.execute(f"SET allowed_paths = [{file}]; SET enable_external_access = false; SET lock_configuration = true")
        for name in {name for rule in rules for name in rule.arguments["objects"]}:
            db.execute(f"CREATE VIEW {_quoted(name)} AS SELECT * FROM {reader}({file})")
        return {rule.id: _answer(rule, contract, db) for rule in rules}


def _answer(rule: RuleSpec, contract: ContractSpec, db: duckdb.DuckDBPyConnection) -> CheckResult:
    import duckdb

    try:
        measured = _measured(rule, db)
    except (duckdb.Error, ValueError) as failure:
        told = str(failure).partition("\n")[0]
        return CheckResult("", rule.id, rule.path, "error", note=f"its query cannot be carried out: {told}")
    action, is_kept = rule.action or contract.on_violation, accepts(rule, measured)
    state = "passed" if is_kept else "warning" if action == "warn" else "failed"
    return CheckResult("", rule.id, rule.path, state, 1, int(not is_kept), action, measured)


def _measured(rule: RuleSpec, db: duckdb.DuckDBPyConnection) -> float:
    """The number that the query selects. Raises `ValueError` where it is no SELECT of one number."""
    import duckdb

    statements = db.extract_statements(_filled(rule))
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise ValueError("it is not one SELECT")
    rows = db.execute(statements[0]).fetchmany(2)
    if len(rows) != 1 or len(rows[0]) != 1:
        raise ValueError("it selects more or less than one value")
    return float(rows[0][0])


def _filled(rule: RuleSpec) -> str:
    """The query with the names of the object and of the property in their places."""
    whole, path = _quoted(rule.arguments["objects"][0]), ".".join(map(_quoted, rule.path.split(".")))
    return _PLACES.sub(lambda place: whole if place["whole"] else path, rule.arguments["query"])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
