"""Verbs that change what is live: plan, deploy, rollback, retire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from hansa.cli.options import MARKS, AcceptBreaking, AsJson, Folder, ProductArgument, To
from hansa.cli.session import Session, open_session, product_folder


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    app.command()(plan)
    app.command()(deploy)
    app.command()(rollback)
    app.command()(retire)
    app.command()(changes)


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
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder's state live. Old or new is served, never a mix; what is live already makes no new revision.

    A change that breaks readers of a port is refused, unless it is a new major or --accept-breaking says why.
    """
    from hansa.blobs.bundle import pack

    own = product_folder(folder)
    with open_session(to, as_json) as session:
        bundle = pack(own.path)
        session.screen.note(f"{own.id}: {len(bundle.files)} files, {len(bundle.data) / 1024:.0f} KiB")
        done = session.client.products.deploy(
            own.id, bundle.data, note=note, accept_breaking=accept_breaking, on_progress=session.screen.note
        )
        done |= _next_steps(session, done, to)
        session.screen.answer(done, deploy_lines(done))


def rollback(
    product: ProductArgument = None,
    revision: Annotated[str | None, typer.Option(help="The revision to serve; the one before unless given.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier revision again: its code, contracts and triggers."""
    with open_session(to, as_json) as session:
        done = session.client.products.rollback(session.product(product), revision)
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


def plan_lines(product: str, found: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a plan."""
    if not found["changes"]:
        yield f"{product} is live as it is here: revision {found['revision']}"
        return
    for change in found["changes"]:
        yield f"{MARKS[change['kind']]} {change['what']}: {change['text']}"
    yield from (f"warning: {warning}" for warning in found.get("warnings", ()))
    if found["findings"]:
        yield "hansa deploy refuses what breaks readers; it takes a new major, or --accept-breaking REASON:"
        yield from (f"  {finding['message']}" for finding in found["findings"])
    else:
        yield f"hansa deploy makes it live as revision {found['revision']}"


def deploy_lines(done: Mapping[str, Any]) -> Iterator[str]:
    """What people read of a deployment: what is live, where, how to call it and how to undo it."""
    news = "is live" if done["changed"] else "was live already"
    yield f"{done['product']} {news}: revision {done['revision']} ({done['seconds']:.2f} s)"
    for route in done["routes"]:
        yield f"  {route['method']} {route['url']}"
    for port in done["ports"]:
        yield f"  {port}"
    yield from (f"warning: {warning}" for warning in done.get("warnings", ()))
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
