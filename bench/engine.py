"""Run ``python -m bench.engine --device cpu|cuda``: time the engines alone."""

from bench.studies.engine import run

run()
