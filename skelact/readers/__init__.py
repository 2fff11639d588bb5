"""Skeleton files: one reader per format, the description of a folder (skeletons.toml), and what the
data say about it."""
