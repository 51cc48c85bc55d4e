"""The command `dicomweb-server`, which is also `python -m dicomweb_server`."""

import signal
import sys


def main() -> int:
    """Runs the command; returns its exit code."""
    # Importing the program takes a second, in which there is nothing to end in order. Ctrl-C ends
    # it as it ends programs that know nothing of it: what Python raises instead, packages that are
    # being imported take for something else.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # where it is not ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dicomweb_server.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()


if __name__ == "__main__":
    sys.exit(main())
