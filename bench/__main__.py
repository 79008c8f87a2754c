"""Run ``python -m bench``: compare Vitrine with its peers."""

import sys

from bench.compare.main import run

sys.exit(run())
