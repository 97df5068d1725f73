"""The limits for what a server sends and for the time it takes; docs/limits.md explains them."""

from torc_watch.core.units import KIB, MIB

# Bytes of one answer.
OBJECT_BYTES = 4 * MIB  # a status, or one object
LIST_BYTES = 16 * MIB  # one page of a list, and the answer to a batch
ERROR_BYTES = 64 * KIB  # what is read of an error's page; one line of it is shown
EVENT_BYTES = 64 * KIB  # one event of a stream

# Items of one request. Fewer where a page is larger than its limit.
PAGE_SIZES = (10_000, 1_000, 100)  # 10,000 is the most that Torc 0.12 gives
BATCH_SIZE = 1_000

# Seconds. The time of every other request is the setting ``timeout``.
CONNECT_SECONDS = 10.0
LONG_CALL_SECONDS = 600.0  # a change whose time grows with the workflow
