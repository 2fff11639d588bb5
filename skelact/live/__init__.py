"""Live recognition: a camera, a stream or a file in, decisions about persons out."""
