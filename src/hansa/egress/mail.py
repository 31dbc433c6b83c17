"""Mail through one server: `smtp://host:587` (TLS by STARTTLS where it is offered) or `smtps://host:465`."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import getaddresses, make_msgid
from typing import Final
from urllib.parse import urlsplit

from hansa.egress.interface import Call, Exit, refused, unavailable
from hansa.egress.settings import ConnectionSetting, malformed
from hansa.errors import OperatorError

_TIMEOUT_S: Final = 30.0
_PORTS: Final = {"smtp": 587, "smtps": 465}
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class MailExit(Exit):
    """One server and one sender. Where `allow` is given, it lists the domains that may receive."""

    operations = ("send",)

    def __init__(self, setting: ConnectionSetting) -> None:
        url = urlsplit(setting.url)
        if url.scheme not in _PORTS or not url.hostname:
            raise malformed(
                setting.name, f"{setting.url!r} is no mail server", "It reads like smtp://mail.example:587."
            )
        if not setting.sender:
            raise malformed(setting.name, "there is no sender", "Add `from: reports@example.org`.")
        self._scheme, self._host, self._port = url.scheme, url.hostname, url.port or _PORTS[url.scheme]
        self._user, self._secret = setting.user or url.username, setting.secret or url.password
        self._sender = setting.sender
        self._allow = setting.allow
        self.uri = f"{self._scheme}://{self._host}:{self._port}"

    def call(self, call: Call) -> None:
        to, subject, text, html, cc, bcc, reply_to = call.arguments
        receivers = [address for _, address in getaddresses([*to, *cc, *bcc])]
        self._check_receivers(receivers)
        message = compose(self._sender, to, subject, text, html, cc, reply_to, call.key)
        try:
            with self._connect() as server:
                server.send_message(message, to_addrs=receivers)
        except smtplib.SMTPAuthenticationError as failure:
            raise OperatorError(
                "connection.credentials",
                f"{self._host} refuses the user or the secret",
                hint="Mend them in connections.yaml.",
            ) from failure
        except smtplib.SMTPRecipientsRefused as failure:
            raise refused("receiver", f"{self._host} takes mail for none of the receivers", "See to them.") from failure
        except (smtplib.SMTPException, OSError) as failure:
            raise unavailable(f"{self._host} did not take the message: {failure}", "Try again.") from failure

    def _connect(self) -> smtplib.SMTP:
        """Logged in; raises `connection.insecure` rather than sending a secret where others may read it."""
        server = self._open()
        try:
            if self._scheme == "smtp":
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                elif self._secret and self._host not in _LOCAL:
                    raise OperatorError(
                        "connection.insecure", f"{self._host} offers no TLS for the secret", hint="Use smtps://."
                    )
            if self._user:
                server.login(self._user, self._secret or "")
        except BaseException:
            server.close()
            raise
        return server

    def _open(self) -> smtplib.SMTP:
        if self._scheme == "smtps":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=_TIMEOUT_S, context=ssl.create_default_context())
        return smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)

    def _check_receivers(self, receivers: Sequence[str]) -> None:
        for address in receivers:
            domain = address.rpartition("@")[2].lower()
            if "@" not in address or (self._allow and domain not in self._allow):
                raise refused(
                    "receiver",
                    f"{address!r} may not receive mail of this connection",
                    f"Permitted are addresses at {', '.join(self._allow) or 'a domain'}.",
                )


def compose(
    sender: str,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str | None,
    cc: Sequence[str],
    reply_to: str | None,
    key: str | None,
) -> EmailMessage:
    """The message. One key makes one Message-ID, by which mail servers and readers drop what arrives twice."""
    domain = sender.rpartition("@")[2].rstrip(">")
    lines = {
        "From": sender,
        "To": ", ".join(to),
        "Cc": ", ".join(cc),
        "Reply-To": reply_to,
        "Subject": subject,
        "Message-ID": f"<{key.replace(':', '.')}@{domain}>" if key else make_msgid(domain=domain),
    }
    message = EmailMessage()
    try:
        for name, value in lines.items():
            if value:
                message[name] = value
    except ValueError as failure:
        raise refused("message", f"A line of the message is not valid: {failure}", "Take line breaks out.") from failure
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message
