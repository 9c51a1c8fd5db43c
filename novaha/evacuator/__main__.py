"""`python -m novaha.evacuator`, started by the resource agent NovaEvacuate."""

import sys

from novaha.evacuator.process import main

sys.exit(main())
