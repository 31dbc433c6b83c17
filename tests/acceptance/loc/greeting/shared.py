"""What more than one logic uses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    name: str


def greeting_of(person: Person) -> str:
    return f"Greetings, {person.name}!"
