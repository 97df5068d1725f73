"""The process that hands a mail to this machine's own mail server.

``python -m torc_watch.news.smtp_process`` reads a JSON object with port, addresses and the text of
the mail. It ends with 0 when the server took it for all of them, else it says why.
"""

import getpass
import json
import smtplib
import socket
import sys

_TIMEOUT = 30.0  # seconds for each answer


def main() -> int:
    problem = _send(**json.load(sys.stdin))
    print(problem, end="")  # noqa: T201 - what the channel reads
    return 1 if problem else 0


def _send(port: int, addresses: list[str], text: str) -> str:
    """Why it failed; empty where the mail was taken."""
    sender = f"{getpass.getuser()}@{socket.getfqdn()}"  # here, since the name may take its time
    try:
        with smtplib.SMTP("localhost", port, timeout=_TIMEOUT) as server:
            refused = server.sendmail(sender, addresses, text.encode())
    except (OSError, smtplib.SMTPException) as error:
        return f"The mail server of this machine did not take the mail: {error}"
    if refused:
        return f"The mail server of this machine refused {', '.join(refused)}."
    return ""


if __name__ == "__main__":
    sys.exit(main())
