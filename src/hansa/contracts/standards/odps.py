"""Bitol ODPS 0.9 to 1.1: what a data product's document may hold (Bitol Open Data Product Standard, schemas 1.0.0 and
1.1.0)."""

from __future__ import annotations

from typing import Final

from hansa.contracts.custom import SHAPES
from hansa.contracts.standards.grammar import Grammar

_TRIMMINGS: Final = "tags:[text] customProperties:[custom] authoritativeDefinitions:[link]"

ODPS: Final = Grammar(
    name="ODPS",
    root="product",
    versions=((0, 9), (1, 0), (1, 1)),
    shapes=SHAPES
    | {
        "product": (
            "apiVersion! kind!:=DataProduct id! name deprecated:flag^1.1 synonyms:[synonym]^1.1 version status domain "
            "type^1.1 context:context^1.1 tenant description:description inputPorts:[input] outputPorts:[output] "
            f"managementPorts:[management] support:[support] team:team productCreatedTs {_TRIMMINGS}"
        ),
        "description": "purpose limitations usage authoritativeDefinitions:[link] customProperties:[custom]",
        "context": "instructions verifiedStatements:[statement] constraints:[constraint]",
        "statement": f"id question! answer {_TRIMMINGS}",
        "constraint": f"id constraint! {_TRIMMINGS}",
        "synonym": "id synonym! description locale source status customProperties:[custom]",
        "custom": "id^1.1 property! value!:any description vendor^1.1",
        "link": "id^1.1 type! url! description",
        "input": f"deprecated:flag^1.1 id^1.1 name! version contractId {_TRIMMINGS}",
        "output": (
            "deprecated:flag^1.1 id^1.1 name! description type version contractId sbom:[materials] "
            f"inputContracts:[read] synonyms:[synonym]^1.1 context:context^1.1 {_TRIMMINGS}"
        ),
        "materials": (
            "id^1.1 type url tags:[text]^1.1 customProperties:[custom]^1.1 authoritativeDefinitions:[link]^1.1"
        ),
        "read": "id! version!",
        "management": f"deprecated:flag^1.1 id^1.1 name! content! type url channel description {_TRIMMINGS}",
        "support": f"id^1.1 channel! url! description tool scope invitationUrl {_TRIMMINGS}",
        "team": f"name description members:[member] {_TRIMMINGS}",
        "member": f"id^1.1 username! name description role dateIn dateOut replacedByUsername {_TRIMMINGS}",
    },
)
