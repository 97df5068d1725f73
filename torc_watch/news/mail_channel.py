"""notify_mail: the mail program of this machine, which needs no password and no library."""

import shutil
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid

from torc_watch.core.news import NewsMessage, SendResult
from torc_watch.news.program import run_program

_SENDMAIL = ("sendmail", "/usr/sbin/sendmail", "/usr/lib/sendmail")  # often not on a user's PATH
_MAIL = ("mail", "mailx")


@dataclass(frozen=True, slots=True)
class MailChannel:
    """``addresses`` are checked by the settings: none begins with a dash."""

    addresses: tuple[str, ...]
    name: str = "notify_mail"

    async def send(self, message: NewsMessage) -> SendResult:
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
        mail = EmailMessage()
        mail["To"] = ", ".join(self.addresses)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = make_msgid(domain="torc-watchd.invalid")
        mail["Auto-Submitted"] = "auto-generated"  # no vacation notice comes back
        mail.set_content(message.body)
        return mail.as_bytes()


def _found(programs: tuple[str, ...]) -> str | None:
    return next(filter(None, map(shutil.which, programs)), None)


def _without_commands(body: str) -> str:
    """A line that begins with a tilde is a command to some versions of mail."""
    return "".join(
        f" {line}" if line.startswith("~") else line for line in body.splitlines(keepends=True)
    )
