"""From persons in frames to network input: stack, clean, normalise, sample, build input."""
