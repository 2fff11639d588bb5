# SGN and the efficient self-attention network: 20 frames, Adam, label smoothing, five test draws.
sampling = dict(length=20, method="uniform", test_clips=5)
augment = dict(flip=0.0, rotate_rad=0.3, scale=0.0, noise=0.0)
train = dict(
    epochs=120,
    repeat=1,
    batch_size=64,
    optimiser="adam",
    lr=1e-3,
    base_batch_size=0,
    weight_decay=1e-4,
    schedule="step",
    milestones=[60, 90, 110],
    label_smoothing=0.1,
    patience=0,
)
