"""Publishes the parcel that it is given: a durable call whose record is checked by ten rules."""

from hansa import DataProduct, http, publish_to

from .ports import Parcel, parcels

product = DataProduct(__file__)


@product.logic
def take(parcel: Parcel) -> Parcel:
    return parcel


product.process("take", take, publish_to(parcels), on=http.post("/parcels"))
