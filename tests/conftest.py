"""Fixtures that start real services. A service that a test needs and does not find is announced, and a failure
under CI."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))
