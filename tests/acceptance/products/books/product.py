"""Books each sale of the till once."""

from hansa import Context, DataProduct, Retry, on, publish_to

from .ports import Receipt, Sale, receipts, sales

product = DataProduct(__file__)


@product.logic
def book(batch: list[Sale], *, ctx: Context) -> list[Receipt]:
    ctx.state.put("booked", ctx.state.get("booked", 0) + len(batch))
    return [Receipt(sale.id) for sale in batch]


product.process("book", book, publish_to(receipts), on=on(sales, batch=50), retry=Retry(attempts=10, delay_s=0.02))
