"""`python -m worldsim`: the same program as `worldsim`."""

import sys

from worldsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
