# The MADS thesis: all frames, clips repeated to 300 frames, score as third channel, no
# augmentation.
sampling = dict(length=300, method="wrap")
augment = dict(flip=0.0, rotate_rad=0.0, scale=0.0, noise=0.0)
train = dict(
    epochs=50,
    repeat=1,
    batch_size=16,
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-4,
    patience=10,
)
