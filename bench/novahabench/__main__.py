"""`python -m novahabench`, run by bench/run and bench/report."""

import sys

from novahabench.cli import main

sys.exit(main())
