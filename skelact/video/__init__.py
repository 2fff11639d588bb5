"""Video files: their properties (probe), their frames (decode), cutting them into clips (cut)."""
