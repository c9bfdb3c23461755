"""Python's `logging` for the journal: what goes to standard error is a record with its level, and not lines without one."""

import logging
import sys


def follow(logged):
    """Has records that a plain StreamHandler would write to a standard stream sent to `logged(level, text)`. Other handlers, and subclasses, stay
    as they are: they write what and where they want."""
    plain = logging.StreamHandler.emit
    kinds = (logging.StreamHandler, type(logging.lastResort))
    streams = (sys.__stderr__, sys.__stdout__)

    def emit(handler, record):
        if type(handler) not in kinds or handler.stream not in streams:
            plain(handler, record)
            return
        try:
            logged(record.levelno, handler.format(record))
        except RecursionError:
            raise
        except Exception:
            handler.handleError(record)

    logging.StreamHandler.emit = emit
