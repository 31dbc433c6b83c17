"""What a mail connection composes, and to whom it does not send."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.egress.exits import open_exit
from hansa.egress.interface import Call
from hansa.egress.mail import compose
from hansa.egress.settings import ConnectionSetting
from hansa.errors import HansaError, OperatorError


def setting(**changes: Any) -> ConnectionSetting:
    values = {"name": "post", "kind": "mail", "url": "smtp://mail.example", "sender": "reports@example.org", **changes}
    return ConnectionSetting(**values)


def send(to: list[str], bcc: tuple[str, ...] = ()) -> Call:
    return Call("send", [to, "Delays", "All late.", None, [], [*bcc], None])


def test_a_message_has_its_lines_and_both_forms_of_its_text() -> None:
    message = compose(
        "Reports <reports@example.org>", ["a@x.org", "b@x.org"], "Delays in München", "All late.", "<b>All late.</b>",
        ["c@x.org"], "desk@example.org", "0198:add:1",
    )  # fmt: skip
    assert message["To"] == "a@x.org, b@x.org"
    assert message["Cc"] == "c@x.org"
    assert message["Bcc"] is None
    assert message["Reply-To"] == "desk@example.org"
    assert message["Subject"] == "Delays in München"
    assert message["Message-ID"] == "<0198.add.1@example.org>"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_one_key_makes_one_message_id_and_none_a_new_one() -> None:
    def message_id(key: str | None) -> str:
        return str(compose("a@b.c", ["d@e.f"], "s", "t", None, [], None, key)["Message-ID"])

    assert message_id("r:l:1") == message_id("r:l:1") != message_id("r:l:2")
    assert message_id(None) != message_id(None)


@pytest.mark.parametrize("line", ["Delays\nBcc: evil@x.org", "Delays\r\n\r\nbody"])
def test_a_line_break_does_not_make_another_line(line: str) -> None:
    with pytest.raises(HansaError) as caught:
        compose("a@b.c", ["d@e.f"], line, "t", None, [], None, None)
    assert caught.value.code == "connection.message"


@pytest.mark.parametrize("call", [send(["x@other.org"]), send(["a@example.org"], ("x@other.org",)), send(["nobody"])])
def test_only_permitted_receivers_get_mail(call: Call) -> None:
    with pytest.raises(HansaError) as caught:
        open_exit(setting(allow=("example.org",))).call(call)
    assert caught.value.code == "connection.receiver"


@pytest.mark.parametrize("changes", [{"url": "https://mail.example"}, {"url": "smtp://"}, {"sender": None}])
def test_a_setting_that_cannot_send_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OperatorError) as caught:
        open_exit(setting(**changes))
    assert caught.value.code == "connection.malformed"


def test_the_target_is_the_server_and_nobody_who_receives() -> None:
    opened = open_exit(setting(url="smtp://u:pw@mail.example"))
    assert opened.target(send(["a@example.org"])) == "smtp://mail.example:587"
