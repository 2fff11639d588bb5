# SGN: joint and frame semantics, 20 frames, 0.69 million parameters
model = dict(name="sgn")
