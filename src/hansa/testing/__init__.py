"""For tests: of products (`FakeContext`, the `hansa` fixture) and of implementations (conformance suites)."""

from hansa.testing.fake import FakeContext as FakeContext
from hansa.testing.inline import InlineHansa as InlineHansa
