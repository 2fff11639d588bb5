"""Benchmarks, which compare two implementations in one run. They are not part of the tests; see
`python -m benchmarks`."""
