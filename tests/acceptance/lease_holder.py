"""`python -m tests.acceptance.lease_holder ADDRESS NAME`: takes the lease `work` again and again."""

from __future__ import annotations

import sys
import time

from hansa.bootstrap.hansa import now_us
from hansa.registry.postgres import PostgresRegistry

TTL_S = 0.6

if __name__ == "__main__":
    address, name = sys.argv[1:]
    registry = PostgresRegistry(address, now_us)
    while True:
        begun_s = time.monotonic()
        lease = registry.take_lease("work", name, TTL_S)
        if lease is not None:
            print(f"{lease.epoch} {time.monotonic()} {begun_s + TTL_S}", flush=True)
        time.sleep(0.05)
