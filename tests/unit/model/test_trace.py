"""W3C Trace Context, as its specification has it."""

import pytest

from hansa.model.trace import STATE_MAX, TraceContext, context_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "is_sampled"), [("01", True), ("00", False), ("03", True), ("02", False)])
def test_what_is_told_is_handed_on(flags: str, is_sampled: bool) -> None:
    found = context_of(f"00-{TRACE}-{SPAN}-{flags}", "a=1,b=2")
    assert found == TraceContext(TRACE, SPAN, is_sampled, "a=1,b=2")
    sampled = "01" if is_sampled else "00"
    assert found.headers == {"traceparent": f"00-{TRACE}-{SPAN}-{sampled}", "tracestate": "a=1,b=2"}


def test_without_a_state_no_header_of_it_goes_on() -> None:
    assert TraceContext(TRACE, SPAN, is_sampled=True).headers == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_what_is_not_valid_is_as_if_nothing_was_told(text: str | None) -> None:
    assert context_of(text) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    found = context_of(f"01-{TRACE}-{SPAN}-01-more")
    assert found is not None
    assert found.text == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("state", ["a=" + "b" * STATE_MAX, "a=1\r\nx: y"])
def test_a_state_that_is_too_long_or_no_header_is_left_out(state: str) -> None:
    found = context_of(f"00-{TRACE}-{SPAN}-01", state)
    assert found is not None
    assert found.state == ""
