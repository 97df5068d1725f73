"""Log records and where they go: journald, files, and the reader behind `logs`."""
