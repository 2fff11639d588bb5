"""Video files: what they are (probe), their pictures (frames), cutting them (split). No torch."""
