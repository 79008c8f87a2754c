"""Run ``python -m bench.engine --device cpu|cuda``: time the engines alone."""

from bench.studies.engine import run

if __name__ == "__main__":  # processes that it starts import this module too
    run()
