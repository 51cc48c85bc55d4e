"""`python -m dicomweb_server` is the command `dicomweb-server`."""

import sys

from dicomweb_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
