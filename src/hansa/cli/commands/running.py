"""Verbs on runs: run, runs, output, cancel, replay."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from hansa.cli import complete
from hansa.cli.options import After, AsJson, Limit, Process, ProductOption, Run, To
from hansa.cli.screen import Column, facts, moment
from hansa.cli.session import Session, open_session
from hansa.client.runs import Started

POLL_S: Final = 0.5


def _whole_name(row: Mapping[str, Any]) -> str:
    return f"{row['product']}:{row['process']}"


def _duration(row: Mapping[str, Any]) -> str:
    if not row.get("finished_us"):
        return ""
    return f"{(row['finished_us'] - row['started_us']) / 1000:.1f} ms"


RUNS: Final = (
    Column("run", "id"),
    Column("state", "state"),
    Column("process", _whole_name),
    Column("trigger", "trigger"),
    Column("accepted", "accepted_us", moment),
    Column("took", _duration),
    Column("error", "error_code"),
)
_LOGIC: Final = ("name", "state", "duration_ms", "error")
_FACTS: Final = [
    "id",
    "state",
    "product",
    "process",
    "revision",
    "attempt",
    "trigger",
    "principal",
    "parent",
    "children",
    "replay_of",
    "dry",
    "dead",
    "accepted_at",
    "started_at",
    "finished_at",
    "duration_ms",
    "status",
    "payload",
    "result",
    "reads",
    "writes",
    "events",
]


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(run)
    app.command()(runs)
    app.command()(output)
    app.command()(cancel)
    app.command()(replay)


def run(
    process: Process,
    payload: Annotated[
        str | None, typer.Argument(help="JSON, @FILE, or - for standard input.", show_default=False)
    ] = None,
    logic: Annotated[str | None, typer.Option(help="Run this logic alone; publishes nowhere.")] = None,
    from_run: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Take the payload of that run.", autocompletion=complete.runs),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Commit nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the result; else say which run it is, and end.")] = True,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Run a process by hand, or one of its logic alone, and show the result."""
    value = read_payload(payload)
    with open_session(to, as_json) as session:
        started = session.client.processes.run(
            session.process(process), value, wait_s=15.0 if wait else 0.0, only=logic, dry=dry, from_run=from_run
        )
        _show_result(session, started, wait=wait)


def runs(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="One run, in full.", autocompletion=complete.runs, show_default=False),
    ] = None,
    product: ProductOption = None,
    process: Annotated[
        str | None, typer.Option(help="Of this process only.", autocompletion=complete.processes)
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="accepted, running, succeeded, failed, cancelled or timed_out.")
    ] = None,
    trigger: Annotated[str | None, typer.Option(help="http, port, event, schedule, once, manual or call.")] = None,
    since: Annotated[str | None, typer.Option(help="Accepted at this time (RFC 3339) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Accepted before this time (RFC 3339).")] = None,
    search: Annotated[str | None, typer.Option("--text", help="With these words in output or error.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Dead letters only: 'hansa replay' mends them.")] = False,
    limit: Limit = 20,
    after: After = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first, or show one in full."""
    with open_session(to, as_json) as session:
        if run_id is not None:
            show_run(session, run_id)
            return
        whole = session.process(process) if process else None
        page = session.client.runs.find(
            product=whole.partition(":")[0] if whole else session.product(product) if product else None,
            process=whole.partition(":")[2] if whole else None,
            state=state, trigger=trigger, since=since, until=until, text=search, dead=dead or None, limit=limit,
            after=after,
        )  # fmt: skip
        session.screen.table(page["items"], RUNS, empty="No runs. 'hansa run PROCESS' starts one.")
        if page["behind"]:
            session.screen.note(f"The newest may be missing: {page['behind']}")
        if page["next"]:
            session.screen.note(f"There are more: --after {page['next']}")


def output(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Of this run only.", autocompletion=complete.runs, show_default=False),
    ] = None,
    product: ProductOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what runs will print.")] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Show what runs printed."""
    with open_session(to, as_json) as session:
        whole = session.product(product) if product else None
        is_silent = True
        for item in session.client.runs.output(product=whole, run=run_id, follow=follow):
            session.screen.item(item, "\n".join(output_lines(item)))
            is_silent = False
        if is_silent:
            session.screen.note("Nothing was printed. 'hansa output --follow' waits for more.")


def output_lines(item: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a run's output: whose it is, what was printed, and how it failed."""
    yield f"{item['process']} {item['run']}"
    if item["text"]:
        yield item["text"].rstrip()
    if error := item.get("error"):
        yield from _error_lines(error)


def _error_lines(error: Mapping[str, Any]) -> Iterator[str]:
    """How a run failed, with the author's frames."""
    yield f"error: {error['message']} [{error['code']}]"
    yield from (error.get("traceback") or "").splitlines()


def cancel(run_id: Run, to: To = None, as_json: AsJson = False) -> None:
    """End a run; nothing of it is committed."""
    with open_session(to, as_json) as session:
        done = session.client.runs.cancel(run_id)
        session.screen.answer(done, [f"{run_id} is {done['state']}"])


def replay(
    run_id: Run,
    publish: Annotated[
        bool, typer.Option("--publish", help="Let a run that succeeded publish again, marked so.")
    ] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Run it again: a dead letter as a new attempt, a run that succeeded as a new run that publishes nothing."""
    with open_session(to, as_json) as session:
        _show_result(session, session.client.runs.replay(run_id, publish=publish), wait=True)


def read_payload(text: str | None) -> Any:
    """The value that the argument stands for; None where it is not given. Raises a usage error where it is not JSON."""
    if text is None:
        return None
    try:
        data = sys.stdin.read() if text == "-" else Path(text[1:]).read_text("utf-8") if text.startswith("@") else text
        return msgspec.json.decode(data)
    except OSError as failure:
        raise typer.BadParameter(f"{text[1:]} cannot be read: {failure.strerror}") from failure
    except msgspec.DecodeError as failure:
        raise typer.BadParameter(f"The payload is not JSON: {failure}") from failure


def show_run(session: Session, run_id: str) -> None:
    """All of one run."""
    found = session.client.runs.get(run_id)
    session.screen.answer(found, run_lines(found))


def run_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a run: its facts, each logic, its error with the author's frames, what it printed."""
    yield from facts(found, _FACTS)
    for logic in found["logic"]:
        yield "  " + "  ".join(str(logic[name]) for name in _LOGIC if logic.get(name) is not None)
    yield from check_lines(found.get("checks", ()))
    if error := found.get("error"):
        yield from _error_lines(error)
    if found.get("output"):
        yield "output:"
        yield from found["output"].splitlines()


def check_lines(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What people read of the checks of a run: those that did not pass, and how many did."""
    passed = sum(check["state"] == "passed" for check in checks)
    if checks:
        yield f"checks: {passed} of {len(checks)} passed"
    for check in checks:
        if check["state"] == "skipped":
            yield f"  skipped  {check['port']}  {check['rule']}: {check['note']}"
        elif check["state"] != "passed":
            measured = "" if check["measured"] is None else f", measured {check['measured']:g}"
            what = f"{check['bad']} of {check['checked']}{measured} ({check['action']})"
            yield f"  {check['state']}  {check['port']}  {check['rule']}: {what}"


def _show_result(session: Session, started: Started, *, wait: bool) -> None:
    """The result, waited for; the run's id goes beside it."""
    session.screen.note(f"run {started.run}")
    while wait and not started.finished:
        time.sleep(POLL_S)
        started = session.client.runs.result(started.run)
    if not started.finished:
        session.screen.answer({"run": started.run}, [f"hansa runs {started.run} tells how it went"])
        return
    result = started.result
    lines = (
        [result] if isinstance(result, str) else msgspec.json.format(msgspec.json.encode(result)).decode().splitlines()
    )
    session.screen.answer({"run": started.run, "status": started.status, "result": result}, lines)
