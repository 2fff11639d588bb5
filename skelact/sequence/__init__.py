"""From people in frames to arrays over time: merge, clean, normalise, sample. NumPy only."""
