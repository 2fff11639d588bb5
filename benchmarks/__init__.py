"""Ratios between two things measured in one run. Not part of the tests; `python -m benchmarks
NAME`."""
