"""`python -m interceptor`."""

from __future__ import annotations

import sys

from interceptor.cli import main

if __name__ == "__main__":
    sys.exit(main())
