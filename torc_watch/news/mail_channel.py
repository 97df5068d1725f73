"""notify_mail: the mail program of this machine, which needs no password and no library.

In a service with NoNewPrivileges= the programs of most mail servers cannot do their work, and some
wait without end: there the mail goes to the server on this machine first.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid

from torc_watch.core.news import NewsMessage, SendResult
from torc_watch.host.privileges import may_gain_privileges
from torc_watch.news.program import run_program

_SENDMAIL = ("sendmail", "/usr/sbin/sendmail", "/usr/lib/sendmail")  # often not on a user's PATH
_MAIL = ("mail", "mailx")
_SMTP = (sys.executable, "-P", "-m", "torc_watch.news.smtp_process")
_PORT = 25


@dataclass(frozen=True, slots=True)
class MailChannel:
    """``addresses`` are checked by the settings: none begins with a dash."""

    addresses: tuple[str, ...]
    name: str = "notify_mail"

    async def send(self, message: NewsMessage) -> SendResult:
        if may_gain_privileges():
            return await self._send_by_program(message)
        result = await self._send_by_server(message)
        if not result.problem or result.is_unclear:
            return result
        by_program = await self._send_by_program(message)
        if not by_program.problem:
            return by_program
        return SendResult(
            f"{result.problem} Nor may this service run a mail program that needs privileges: "
            f"{by_program.problem} Use notify with a mailto: URL.",
            by_program.is_unclear,
        )

    async def _send_by_server(self, message: NewsMessage) -> SendResult:
        request = {
            "port": _PORT,
            "addresses": self.addresses,
            "text": self._mail(message).decode("ascii"),
        }
        return await run_program(_SMTP, json.dumps(request).encode(), says_why=True)

    async def _send_by_program(self, message: NewsMessage) -> SendResult:
        if sendmail := _found(_SENDMAIL):
            return await run_program([sendmail, "-i", *self.addresses], self._mail(message))
        if mail := _found(_MAIL):
            text = _without_commands(message.body).encode()
            return await run_program([mail, "-s", message.subject, *self.addresses], text)
        return SendResult(
            "This machine has no sendmail, mail or mailx. Use notify with a mailto: URL, or "
            "notify_command."
        )

    def _mail(self, message: NewsMessage) -> bytes:
        """In ASCII: EmailMessage encodes what is not."""
        mail = EmailMessage()
        mail["To"] = ", ".join(self.addresses)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = make_msgid(domain="torc-watchd.invalid")
        mail["Auto-Submitted"] = "auto-generated"  # no vacation notice comes back
        mail.set_content(message.body, cte="quoted-printable")
        return mail.as_bytes()


def _found(programs: tuple[str, ...]) -> str | None:
    return next(filter(None, map(shutil.which, programs)), None)


def _without_commands(body: str) -> str:
    """A line that begins with a tilde is a command to some versions of mail."""
    return "".join(
        f" {line}" if line.startswith("~") else line for line in body.splitlines(keepends=True)
    )
