"""A rehearsal is a whole first run, and leaves nothing that can be seen behind."""

from __future__ import annotations

import json
import sys

from hansa.runtime.linux import thread_count
from hansa.runtime.rehearsal import rehearse, rehearse_all


def test_a_rehearsal_works_a_task_to_its_answer() -> None:
    answer = json.loads(rehearse())
    assert (answer["name"], answer["sum"]) == ("a", 3.5)


def test_a_rehearsal_leaves_no_module_and_no_thread() -> None:
    threads = thread_count()
    rehearse_all()
    assert [name for name in sys.modules if name.startswith("hansa_rehearsal")] == []
    assert thread_count() == threads
