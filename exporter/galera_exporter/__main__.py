"""``python -m galera_exporter``."""

import sys

from galera_exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
