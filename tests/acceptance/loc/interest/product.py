"""What a loan amounts to, with simple or compound interest."""

from dataclasses import dataclass

from hansa import DataProduct, http

product = DataProduct(__file__)


@dataclass(frozen=True)
class Loan:
    principle: float
    interest: float
    months: int
    type: str = "simple"


@product.logic
def simple(loan: Loan) -> float:
    """Interest on the principle alone."""
    return loan.principle * (1 + loan.interest * loan.months / 12)


@product.logic
def compound(*, payload: Loan) -> float:
    """Interest on interest, month by month."""
    amount: float = payload.principle * (1 + payload.interest / 12) ** payload.months
    return amount


@product.aggregator
def choose(*, payload: Loan, simple: float, compound: float) -> dict[str, float | None]:
    """The amount of the kind of interest that was asked for; none for a kind that there is not."""
    return {"amount": {"simple": simple, "compound": compound}.get(payload.type)}


product.process("calculate", simple, compound, choose, on=http.post("/calculate"))
