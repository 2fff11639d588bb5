# Clips of 15 to 40 frames: 32 frames evenly spaced over most of a clip, many passes of a fast
# network.
sampling = dict(length=32, method="linspace", test_flip=True)
augment = dict(flip=0.5, scale=0.1, noise=0.005)
train = dict(
    epochs=20,
    repeat=10,
    batch_size=32,
    optimiser="adamw",
    lr=2e-3,
    base_batch_size=0,
    weight_decay=1e-2,
    warmup=200,
    label_smoothing=0.1,
    val_fraction=0.0,
    patience=0,
)
