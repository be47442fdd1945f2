"""``python -m galera_exporter.galeractl``."""

import sys

from galera_exporter.galeractl.cli import main

if __name__ == "__main__":
    sys.exit(main())
