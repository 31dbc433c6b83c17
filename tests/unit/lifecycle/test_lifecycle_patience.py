"""What takes long is said to go on; what does not is not mentioned."""

from __future__ import annotations

import asyncio

from hansa.lifecycle.patience import saying


def test_only_what_takes_longer_is_mentioned() -> None:
    said: list[str] = []

    async def work() -> None:
        async with saying(said.append, "It goes on", first_s=60):
            await asyncio.sleep(0)
        assert said == []
        heard = asyncio.Event()
        async with saying(lambda line: (said.append(line), heard.set())[0], "It goes on", first_s=0, next_s=60):
            await heard.wait()

    asyncio.run(work())
    assert said == ["It goes on (0 s)"]
