"""`python -m chainnode` is the command `chainnode`."""

import sys

from chainnode.cli.main import main

sys.exit(main())
