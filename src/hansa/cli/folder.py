"""The product's folder that a command is given in, and what its short ids stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hansa.cli.environments import find_upwards
from hansa.errors import CallerError
from hansa.model.ids import MemberId, PortId, ProductId, did_you_mean

if TYPE_CHECKING:
    from hansa.contracts.part import Part

PRODUCT_FILE: Final = "product.yaml"


@dataclass(frozen=True, slots=True)
class ProductFolder:
    """`ports` has the id of each port by its short name, of the newest major; those that the product reads, too."""

    path: Path
    id: str
    ports: Mapping[str, str]


def find_folder(start: Path) -> ProductFolder | None:
    """The product whose folder `start` is, or lies in; None outside of one. Raises `PlanError` where its product.yaml
    cannot be read."""
    file = find_upwards(start, Path(PRODUCT_FILE))
    return read_folder(file.parent) if file else None


def read_folder(path: Path) -> ProductFolder:
    """The product in the folder `path`; reads product.yaml only, and no more of it than ids and ports."""
    from hansa.contracts.document import read_document
    from hansa.contracts.part import Part

    part = Part.of(read_document(path / PRODUCT_FILE), [])
    product = str(ProductId.parse(part.text("id")))
    return ProductFolder(path, product, dict(_inputs(part)) | dict(_outputs(part, product)))


def product_id(text: str | None, folder: ProductFolder | None) -> str:
    """The id of a product; of the folder's own where `text` is None, and in its domain where `text` has no dot."""
    if text is None:
        if folder is None:
            raise _outside("product", "operations.flights")
        return folder.id
    if "." not in text and folder is not None:
        return str(ProductId.parse(f"{folder.id.partition('.')[0]}.{text}"))
    return str(ProductId.parse(text))


def process_id(text: str, folder: ProductFolder | None) -> str:
    """`load`, or `:load`, in a product's folder is `operations.flights:load`."""
    text = text.removeprefix(":")
    if ":" in text:
        return str(MemberId.parse(text))
    if folder is None:
        raise _outside("process", "operations.flights:load")
    return str(MemberId.parse(f"{folder.id}:{text}"))


def port_id(text: str, folder: ProductFolder | None, known: Iterable[str]) -> str:
    """`departures` in a product's folder is `operations.flights/departures@1`: the newest major, or an input port's.

    Where the folder does not say which, the newest major among the `known` ids counts.
    """
    if folder is not None and text in folder.ports:
        return folder.ports[text]
    if "/" not in text:
        if folder is None:
            raise _outside("port", "operations.flights/departures@1")
        text = f"{folder.id}/{text}"
    return str(PortId.parse(text)) if "@" in text else _newest(text, list(known))


def _newest(text: str, known: list[str]) -> str:
    majors = [PortId.parse(port) for port in known if port.rpartition("@")[0] == text]
    if not majors:
        hint = did_you_mean(text, known) or "'hansa products' lists the products, 'hansa show' the ports of one."
        raise CallerError("port.unknown", f"There is no port {text!r}", hint=hint)
    return str(max(majors, key=lambda port: port.major))


def _outputs(product_file: Part, product: str) -> Iterator[tuple[str, str]]:
    from hansa.contracts.odcs import major_of
    from hansa.contracts.odps import port_version

    majors: dict[str, int] = {}
    for port in product_file.parts("outputPorts"):
        name, major = port.text("name"), major_of(port_version(port.value))
        majors[name] = max(majors.get(name, 0), major or 0)
    return ((name, f"{product}/{name}@{major}") for name, major in majors.items() if major)


def _inputs(product_file: Part) -> Iterator[tuple[str, str]]:
    for port in product_file.parts("inputPorts"):
        if read := port.custom().text("port") or port.text("contractId"):
            yield port.text("name"), read


def _outside(noun: str, example: str) -> CallerError:
    return CallerError(
        "folder.none",
        f"Which {noun}? This is not a product's folder",
        hint=f"Give the whole id, such as {example}, or go to the folder that has its product.yaml.",
    )


def no_product(path: Path) -> CallerError:
    """The error of a command that needs a product's folder and was given `path`."""
    return CallerError(
        "folder.none",
        f"{path} is not a product's folder: there is no {PRODUCT_FILE} in it or above",
        hint="Go to one, or make one with 'hansa new operations.flights'.",
    )
