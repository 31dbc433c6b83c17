"""Verbs that change what is live: plan, consent, deploy, rollback, status, retire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from hansa.cli.options import MARKS, AcceptBreaking, AsJson, Folder, ProductArgument, To
from hansa.cli.screen import moment
from hansa.cli.session import Session, open_session, product_folder

PlanSeen = Annotated[
    str, typer.Option(metavar="HASH", help="Of the plan that was seen; refuse what is another one by now.")
]
_VERDICTS: Final = {"breaks": "!", "may_break": "?", "unaffected": "·", "downstream": ">"}


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(plan)
    app.command()(deploy)
    app.command()(rollback)
    app.command()(retire)
    app.command()(changes)
    app.command()(status)
    app.command()(consent)


def plan(folder: Folder = None, to: To = None, as_json: AsJson = False) -> None:
    """Show what a deploy would change, and everything that keeps it from being deployed. Nothing is done.

    Signs: + comes, ~ changes, - goes, ! breaks who reads a port, · describes only.
    """
    from hansa.blobs.bundle import pack

    own = product_folder(folder)
    with open_session(to, as_json) as session:
        found = session.client.products.plan(own.id, pack(own.path).data)
        session.screen.answer(found, plan_lines(own.id, found))


def deploy(
    folder: Folder = None,
    note: Annotated[str, typer.Option(help="Why; kept with the revision.")] = "",
    accept_breaking: AcceptBreaking = "",
    plan: PlanSeen = "",
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder's state live. Old or new is served, never a mix; what is live already makes no new revision.

    A change that breaks consumers is refused, unless all their consents are given, it is a new major, or an owner
    forces it with --accept-breaking.
    """
    from hansa.blobs.bundle import pack

    own = product_folder(folder)
    with open_session(to, as_json) as session:
        bundle = pack(own.path)
        session.screen.note(f"{own.id}: {len(bundle.files)} files, {len(bundle.data) / 1024:.0f} KiB")
        done = session.client.products.deploy(
            own.id,
            bundle.data,
            note=note,
            accept_breaking=accept_breaking,
            plan=plan,
            on_progress=session.screen.note,
        )
        done |= _next_steps(session, done, to)
        session.screen.answer(done, deploy_lines(done))


def rollback(
    product: ProductArgument = None,
    revision: Annotated[str | None, typer.Option(help="The revision to serve; the one before unless given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would change, and do nothing.")] = False,
    accept_breaking: AcceptBreaking = "",
    plan: PlanSeen = "",
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier revision again: its code, contracts and triggers.

    What takes away what consumers use is refused, unless all their consents are given, or an owner forces it with
    --accept-breaking.
    """
    with open_session(to, as_json) as session:
        name = session.product(product)
        if dry_run:
            found = session.client.products.rollback_plan(name, revision)
            chosen = f" --revision {revision}" if revision else ""
            session.screen.answer(found, plan_lines(name, found, f"rollback {name}{chosen}"))
            return
        done = session.client.products.rollback(name, revision, accept_breaking=accept_breaking, plan=plan)
        breaks = [f"{MARKS['breaking']} {c['what']}: {c['text']}" for c in done["changes"] if c["kind"] == "breaking"]
        session.screen.answer(done, [f"{done['product']} is live as revision {done['revision']} again", *breaks])


def retire(
    product: Annotated[str, typer.Argument(help="The product's whole id, or that of an older version of a port.")],
    approval: Annotated[str, typer.Option(help="Of a port: who agreed to cut its readers off, and why.")] = "",
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """End a product, or the older version of a port. Refused while it is read."""
    with open_session(to, as_json) as session:
        if "/" in product:
            done = session.client.ports.retire(product, approval)
            session.screen.answer(done, [f"{product} is retired; {done['newer']} takes its place"])
        else:
            done = session.client.products.retire(product)
            session.screen.answer(done, [f"{product} is retired"])


def changes(
    product: ProductArgument = None,
    older: Annotated[str | None, typer.Option(help="A revision; the one before the newer unless given.")] = None,
    newer: Annotated[str | None, typer.Option(help="A revision; the live one unless given.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Say what one revision of a product changed of another."""
    with open_session(to, as_json) as session:
        found = session.client.products.changes(session.product(product), older, newer)
        lines = [f"{MARKS[change['kind']]} {change['what']}: {change['text']}" for change in found["entries"]]
        session.screen.answer(found, [f"{found['older']} → {found['newer']}", *(lines or ["Nothing changed."])])


class State(StrEnum):
    """What a product can be."""

    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


def status(
    product: Annotated[str, typer.Argument(help="The product's whole id.")],
    state: Annotated[State, typer.Argument(help="The state to go to.", show_default=False)],
    successor: Annotated[str | None, typer.Option(help="The product that its readers are to go to.")] = None,
    dry: Annotated[bool, typer.Option("--plan", help="Show what it would do, and do nothing.")] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Move a product to another state: draft, active, deprecated or retired."""
    with open_session(to, as_json) as session:
        found = session.client.products.move(product, state.value, successor=successor, dry=dry)
        session.screen.answer(found, state_lines(found))


def consent(
    port: Annotated[str, typer.Argument(help="The port that changes, by its whole id.")],
    candidate: Annotated[str, typer.Option(help="The revision that `hansa plan` told.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    domain: Annotated[str | None, typer.Option(help="The domain for whose products you consent.")] = None,
    account: Annotated[str | None, typer.Option(help="The account that you consent for: your own.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Consent to a change that breaks you: to this one, from the live revision to the candidate."""
    with open_session(to, as_json) as session:
        found = session.client.products.consent(port, candidate, reason, domain=domain, account=account)
        lines = [f"{one['port']}: {one['kind']} {one['of']}, by {one['actor']}: {one['reason']}" for one in found]
        session.screen.answer(found, lines)


def state_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a step from state to state."""
    yield from (f"{'' if found['done'] else 'would be: '}{effect}" for effect in found["effects"])
    if found["refusal"]:
        yield f"refused: {found['refusal']}. {found['hint']}"


def plan_lines(product: str, found: Mapping[str, Any], verb: str = "deploy") -> Iterator[str]:
    """What people read of a plan: what changes, whom that hits, who must consent, and what is in the way. `verb` is
    the command that carries it out."""
    yield from (f"note: {note}" for note in found["notes"])
    if not found["changes"]:
        yield f"{product} is live as it is here: revision {found['revision']}"
        return
    for change in found["changes"]:
        yield f"{MARKS[change['kind']]} {change['what']}: {change['text']}"
    yield from _section("consumers:", map(_consumer_line, found["consumers"]))
    yield from _section("expectations of consumers:", map(_expected_line, found["expectations"]))
    yield from _section("consents that it takes:", map(_consent_line, found["consents"]))
    if found["findings"]:
        major = " a new major," if verb == "deploy" else ""
        yield f"hansa {verb} refuses it; it takes the consents,{major} or an owner's --accept-breaking REASON:"
        yield from (f"  {finding['message']}" for finding in found["findings"])
    else:
        yield f"hansa {verb} --plan {found['hash']} makes it live as revision {found['revision']}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    yield from [title, *(f"  {line}" for line in told)] if told else []


def _consumer_line(one: Mapping[str, Any]) -> str:
    """`! analytics.delays:join uses delay_min of operations.flights/departures@1 (subscription): breaks, …`"""
    if one["verdict"] == "downstream":
        return f"{_VERDICTS['downstream']} {one['who']}, {one['depth'] - 1} further on: {one['because']}"
    fields = one.get("fields")
    used = "may use all" if fields is None else f"uses {', '.join(fields) or 'no field'}"
    last = f", last read {moment(one['last_us'])}" if one.get("last_us") else ""
    token = f" with the token {one['token']}" if one.get("token") else ""
    verdict = one["verdict"].replace("_", " ") + (f": {one['because']}" if one.get("because") else "")
    return f"{_VERDICTS[one['verdict']]} {one['who']}{token} {used} of {one['port']} ({one['by']}{last}): {verdict}"


def _expected_line(one: Mapping[str, Any]) -> str:
    failures = "; ".join(one.get("failures", ())) or "kept"
    return f"{'!' if one.get('failures') else '·'} {one['consumer']}, {one['field']} ({one['tried']}): {failures}"


def _consent_line(one: Mapping[str, Any]) -> str:
    for_whom = f" for {', '.join(one['readers'])}" if one.get("readers") else ""
    given = f"given by {one['given_by']}" if one.get("given_by") else "missing"
    return f"{one['port']}: {one['kind']} {one['of']}{for_whom}: {given}"


def deploy_lines(done: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a deployment: what is live, where, how to call it and how to undo it."""
    news = "is live" if done["changed"] else "was live already"
    yield f"{done['product']} {news}: revision {done['revision']} ({done['seconds']:.2f} s)"
    for route in done["routes"]:
        yield f"  {route['method']} {route['url']}"
    for port in done["ports"]:
        yield f"  {port}"
    yield from (f"note: {note}" for note in done.get("notes", ()))
    for name in ("try", "undo"):
        if done.get(name):
            yield f"{name}: {done[name]}"


def _next_steps(session: Session, done: Mapping[str, Any], to: str | None) -> dict[str, Any]:
    """The routes with whole URLs, a curl that works, and the command that undoes the deployment."""
    from hansa.cli.curl import curl

    url, chosen = session.client.url, f" --to {to}" if to else ""
    steps: dict[str, Any] = {"routes": [{**route, "url": url + route["path"]} for route in done["routes"]]}
    if done["routes"]:
        spec = session.client.products.get(done["product"])["spec"]
        steps["try"] = curl(url, spec, session.environment.token_shown)
    if done["changed"]:
        verb = "rollback" if done["previous"] not in (None, done["revision"]) else "retire"
        steps["undo"] = f"hansa {verb} {done['product']}{chosen}"
    return steps
