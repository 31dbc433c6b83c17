"""The ten rules of `bench.checked` as Great Expectations has them: `python expectations.py PARQUET REPEATS`.

Prints JSON: the best time in seconds over a frame in memory and with reading the file, and whether each rule holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import perf_counter, process_time

import great_expectations as gx
import great_expectations.expectations as e
import pandas as pd

COUNTRIES = ["DE", "DK", "EE", "FI", "LT", "LV", "NO", "PL", "SE"]
RULES = {
    "parcel_id.nullValues": e.ExpectColumnValuesToNotBeNull(column="parcel_id"),
    "kind.invalidValues": e.ExpectColumnValuesToBeInSet(column="kind", value_set=["letter", "box", "crate"]),
    "kind.nullValues": e.ExpectColumnValuesToNotBeNull(column="kind", mostly=0.95),
    "code.invalidValues": e.ExpectColumnValuesToMatchRegex(column="code", regex=r"^[A-Z]{3}-[0-9]{4}$"),
    "code.nullValues": e.ExpectColumnValuesToNotBeNull(column="code"),
    "country.invalidValues": e.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES),
    "country.nullValues": e.ExpectColumnValuesToNotBeNull(column="country"),
    "cents.nullValues": e.ExpectColumnValuesToNotBeNull(column="cents", mostly=0.9),
    "insured.invalidValues": e.ExpectColumnValuesToBeInSet(column="insured", value_set=["yes", "no"], mostly=0.99),
    "insured.nullValues": e.ExpectColumnValuesToNotBeNull(column="insured"),
}


def main(path: str, repeats: int) -> None:
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("parcels").add_dataframe_asset("parcels")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(name="rules", expectations=list(RULES.values()))

    def verdicts(frame: pd.DataFrame) -> dict[str, bool]:
        found = whole.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY")
        return {name: bool(result.success) for name, result in zip(RULES, found.results, strict=True)}

    frame = pd.read_parquet(path)
    memory = [measured(lambda: verdicts(frame)) for _ in range(repeats)]
    file = [measured(lambda: verdicts(pd.read_parquet(path))) for _ in range(repeats)]
    held = memory[0][2]
    assert all(found == held for _, _, found in memory + file)
    best = {"memory_s": memory, "file_s": file}
    told = {name: min(took for took, _, _ in turns) for name, turns in best.items()}
    told |= {name.replace("_s", "_cpu_s"): min(cpu for _, cpu, _ in turns) for name, turns in best.items()}
    print(json.dumps({**told, "holds": held}))


def measured(work: Callable[[], dict[str, bool]]) -> tuple[float, float, dict[str, bool]]:
    began, cpu = perf_counter(), process_time()
    found = work()
    return perf_counter() - began, process_time() - cpu, found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
