"""Groups of verbs: domains, people, tokens, audit, schedules. A group alone lists."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from hansa.cli import complete
from hansa.cli.options import AsJson, Domain, Limit, Person, Process, To
from hansa.cli.screen import Column, facts, moment
from hansa.cli.session import open_session

DOMAINS: Final = (Column("domain", "name"), Column("owner", "owner"), Column("description", "description"))
MEMBERS: Final = (
    Column("person", "person"),
    Column("role", "role"),
    Column("name", "name"),
    Column("contact", "contact"),
)
PEOPLE: Final = (
    Column("id", "id"),
    Column("name", "name"),
    Column("contact", "contact"),
    Column("kind", "kind"),
    Column("admin", "admin"),
    Column("roles", lambda row: _roles(row)),
)
TOKENS: Final = (
    Column("id", "id"),
    Column("name", "name"),
    Column("principal", "principal"),
    Column("scopes", "scopes"),
    Column("products", "products"),
    Column("expires", "expires_at", moment),
    Column("last used", "last_used_at", moment),
    Column("revoked", "revoked"),
)
AUDIT: Final = (
    Column("seq", "seq"),
    Column("time", "time", moment),
    Column("actor", "actor"),
    Column("operation", "operation"),
    Column("target", "target"),
)
SCHEDULES: Final = (
    Column("process", "process"),
    Column("index", "index"),
    Column("paused", "paused"),
    Column("next", lambda row: (row["next"] or [""])[0], moment),
    Column("last", "last", moment),
    Column("when", "explained"),
)
Index = Annotated[
    int | None, typer.Option(help="Which trigger of the process, as 'hansa schedules' tells; its only schedule else.")
]


def register(app: typer.Typer) -> None:
    """Adds the groups to `app`."""
    _group(app, "domains", "Owner boundaries and the people in them.", domains_list, domains_create, domains_show,
           domains_give, domains_take)  # fmt: skip
    _group(app, "people", "Accounts of people and of services.", people_list, people_add, people_show, people_remove)
    _group(app, "tokens", "Keys of the API.", tokens_list, tokens_create, tokens_revoke)
    _group(app, "audit", "Who did what; hash-chained.", audit_list, audit_verify)
    _group(app, "schedules", "What starts by the clock.", schedules_list, schedules_pause, schedules_resume)


def _group(app: typer.Typer, name: str, told: str, *commands: Callable[..., None]) -> None:
    """Adds the commands, called `<name>_<verb>`, as the verbs of a group; the first one lists, and stands for the group
    where no verb is given."""
    group = typer.Typer(help=told, invoke_without_command=True)
    group.callback()(_unless_verb(commands[0]))
    for command in commands:
        group.command(command.__name__.partition("_")[2])(command)
    app.add_typer(group, name=name)


def _unless_verb(listing: Callable[..., None]) -> Callable[..., None]:
    """The listing with its options, for a group: it does nothing where a verb follows."""

    def callback(context: typer.Context, **options: Any) -> None:
        if context.invoked_subcommand is None:
            listing(**options)

    own = inspect.signature(listing, eval_str=True)
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    callback.__signature__ = own.replace(parameters=[context, *own.parameters.values()])  # type: ignore[attr-defined]
    callback.__annotations__ = {name: p.annotation for name, p in own.parameters.items()} | {"context": typer.Context}
    return callback


def domains_list(to: To = None, as_json: AsJson = False) -> None:
    """List the domains."""
    with open_session(to, as_json) as session:
        empty = "No domains. 'hansa domains create operations' makes one."
        session.screen.table(session.client.domains.all(), DOMAINS, empty=empty)


def domains_create(
    name: Annotated[str, typer.Argument(help="The new domain's name.")],
    owner: Annotated[str | None, typer.Option(help="The team that answers for it.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Create a domain, or change its owner and description."""
    with open_session(to, as_json) as session:
        made = session.client.domains.create(name, description=description, owner=owner)
        told = {"created": "is made", "changed": "is changed", "unchanged": "was there already, as it is"}
        session.screen.answer(made, [f"The domain {name} {told[made['outcome']]}"])


def domains_show(domain: Domain, to: To = None, as_json: AsJson = False) -> None:
    """Show a domain, its products and the people who have a role in it."""
    with open_session(to, as_json) as session:
        found = session.client.domains.get(domain)
        people = [f"  {member['person']}  {member['role']}  {_reach(member)}".rstrip() for member in found["members"]]
        session.screen.answer(found, [*facts(found, ("name", "owner", "description", "products")), *people])


def domains_give(
    domain: Domain,
    person: Person,
    role: Annotated[str, typer.Argument(help="owner, developer or consumer.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Give a person a role in a domain."""
    with open_session(to, as_json) as session:
        done = session.client.domains.give_role(domain, person, role)
        session.screen.answer(done, [f"{person} is {role} of {domain}"])


def domains_take(
    domain: Domain,
    person: Person,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Take a person's role in a domain away."""
    with open_session(to, as_json) as session:
        done = session.client.domains.take_role(domain, person)
        session.screen.answer(done, [f"{person} has no role in {domain}"])


def _reach(person: Mapping[str, Any]) -> str:
    """The name and how to reach its bearer, as far as they are known."""
    return " ".join(filter(None, [person["name"], f"<{person['contact']}>" if person["contact"] else ""]))


def _roles(person: Mapping[str, Any]) -> str:
    return ", ".join(f"{role} of {domain}" for domain, role in person["roles"].items())


def people_list(to: To = None, as_json: AsJson = False) -> None:
    """List people and service accounts with their contacts and their role in each domain."""
    with open_session(to, as_json) as session:
        session.screen.table(session.client.people.all(), PEOPLE, empty="Nobody is known here.")


def people_add(
    person: Annotated[str, typer.Argument(help="The id that the audit keeps; a pseudonym will do.")],
    name: Annotated[str, typer.Option(help="The whole name.")] = "",
    contact: Annotated[str, typer.Option(help="How to reach them, such as a mail address.")] = "",
    service: Annotated[bool, typer.Option("--service", help="It is a program, not a person.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Add a person or a service account, or change all that is known of one."""
    with open_session(to, as_json) as session:
        kind = "service" if service else "person"
        made = session.client.people.add(person, name=name, contact=contact, kind=kind, admin=admin)
        next_steps = (f"hansa domains give DOMAIN {person} ROLE", f"hansa tokens create NAME --principal {person} …")
        session.screen.answer(made, [f"{person} is known", f"next: {next_steps[0]}", f"      {next_steps[1]}"])


def people_show(person: Person, to: To = None, as_json: AsJson = False) -> None:
    """Show a person or a service account."""
    with open_session(to, as_json) as session:
        found = session.client.people.get(person)
        session.screen.answer(found, facts({**found, "roles": _roles(found)}))


def people_remove(person: Person, to: To = None, as_json: AsJson = False) -> None:
    """Remove an account: its name, contact, roles and tokens. What it did stays in the audit, under its id."""
    with open_session(to, as_json) as session:
        session.screen.answer(session.client.people.remove(person), [f"{person} is removed, with roles and tokens"])


def tokens_list(to: To = None, as_json: AsJson = False) -> None:
    """List tokens: one's own, or everybody's for who manages them."""
    with open_session(to, as_json) as session:
        empty = "No tokens. 'hansa tokens create NAME --scope …' makes one."
        session.screen.table(session.client.tokens.all(), TOKENS, empty=empty)


def tokens_create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; can be given several times.")],
    principal: Annotated[str | None, typer.Option(help="Whose it is; one's own unless given.")] = None,
    product: Annotated[list[str] | None, typer.Option(help="For these products only.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it is good for.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown this once."""
    with open_session(to, as_json) as session:
        made = session.client.tokens.create(
            name, scopes=scope, principal=principal, products=product or None, expires_days=days
        )
        session.screen.note(f"token {made['id']} of {made['principal']}, good until {moment(made['expires_at'])}")
        session.screen.answer(made, [made["token"]])


def tokens_revoke(
    token: Annotated[str, typer.Argument(help="The token's id, not the token itself.", autocompletion=complete.tokens)],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """End a token at once."""
    with open_session(to, as_json) as session:
        session.screen.answer(session.client.tokens.revoke(token), [f"{token} is revoked"])


def audit_list(
    actor: Annotated[str | None, typer.Option(help="By this person or service.")] = None,
    operation: Annotated[str | None, typer.Option(help="Such as product.deployed.")] = None,
    target: Annotated[str | None, typer.Option(help="On this, or what lies within it.")] = None,
    limit: Limit = 50,
    after: Annotated[int | None, typer.Option(metavar="SEQ", help="Go on behind this entry.")] = None,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """List operations, the newest first."""
    with open_session(to, as_json) as session:
        page = session.client.audit.find(actor=actor, operation=operation, target=target, limit=limit, after=after)
        session.screen.table(page["items"], AUDIT, empty="No such operation was done.")
        if page["next"]:
            session.screen.note(f"There are more: --after {page['next']}")


def audit_verify(to: To = None, as_json: AsJson = False) -> None:
    """Check the whole chain; ends with 1 where an entry was altered or is missing."""
    with open_session(to, as_json) as session:
        found = session.client.audit.verify()
        broken = found["first_bad"]
        line = f"{found['intact']} entries are intact" + (f"; entry {broken} is not" if broken is not None else "")
        session.screen.answer(found, [line])
    if broken is not None:
        raise typer.Exit(1)


def schedules_list(to: To = None, as_json: AsJson = False) -> None:
    """List schedules with the times that come next."""
    with open_session(to, as_json) as session:
        empty = "No schedules. A process has one with on=schedule.cron(…) or schedule.every(…)."
        session.screen.table(session.client.schedules.all(), SCHEDULES, empty=empty)


def schedules_pause(process: Process, index: Index = None, to: To = None, as_json: AsJson = False) -> None:
    """Let a trigger start nothing until it is resumed."""
    with open_session(to, as_json) as session:
        whole = session.process(process)
        done = session.client.schedules.pause(whole, index)
        session.screen.answer(done, [f"{whole} trigger {done['index']} is paused"])


def schedules_resume(process: Process, index: Index = None, to: To = None, as_json: AsJson = False) -> None:
    """Let a trigger start runs again."""
    with open_session(to, as_json) as session:
        whole = session.process(process)
        done = session.client.schedules.resume(whole, index)
        session.screen.answer(done, [f"{whole} trigger {done['index']} is resumed"])
