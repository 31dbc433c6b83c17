"""`import hansa` is what every worker and every author's test pays first."""

import subprocess
import sys

ALLOWED = {"hansa", "hansa.errors", "hansa.model", "hansa.sdk"}
HEAVY = ["starlette", "uvicorn", "httpx", "ruamel", "rich", "typer", "sqlite3", "asyncio", "cryptography", "ssl"]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_it_loads_errors_model_and_sdk_alone() -> None:
    loaded = run("import hansa, sys; print(*sys.modules)").split()
    rooms = {".".join(name.split(".")[:2]) for name in loaded if name.split(".")[0] == "hansa"}
    assert rooms == ALLOWED
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]


def test_planning_and_loading_are_left_to_who_needs_them() -> None:
    loaded = run("import hansa, sys; print(*sys.modules)").split()
    assert "hansa.sdk.product" in loaded
    assert not {"hansa.sdk.plan", "hansa.sdk.load"} & set(loaded)


def test_it_costs_less_than_150_ms_of_processor_time() -> None:
    """Processor time of the best of three: what else the machine does at the moment does not count."""
    code = "import time; begun = time.process_time(); import hansa; print(time.process_time() - begun)"
    assert min(float(run(code)) for _ in range(3)) < 0.150
