#!/usr/bin/env python3
"""Django's command line."""

import os
import select
import sys


def _reader_is_gone() -> bool:
    """Whether who read what we print has read enough, as in: manage.py status | head"""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _file, event in poll.poll(0))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")
    from django.core.management import execute_from_command_line

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except EOFError:  # a command of Django's own asked a question and nobody was there
        print(
            "Nobody can be asked here: give the answer as an option (see --help), such as --noinput.", file=sys.stderr
        )
        sys.exit(2)
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that ending does not try once more
        sys.exit(1)
