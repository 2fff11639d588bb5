# The KTH report: complete sequences repeated to one length, Adam 1e-4, batches of 16.
sampling = dict(length=300, method="wrap")
augment = dict(flip=0.0, rotate_rad=0.0, scale=0.0, noise=0.0)
train = dict(
    epochs=200,
    repeat=1,
    batch_size=16,
    optimiser="adam",
    lr=1e-4,
    base_batch_size=0,
    weight_decay=0.0,
    schedule="constant",
    patience=0,
)
