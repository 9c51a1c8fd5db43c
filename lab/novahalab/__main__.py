"""The ``lab`` command."""

from __future__ import annotations

import sys

from novahalab.cli import main

sys.exit(main())
