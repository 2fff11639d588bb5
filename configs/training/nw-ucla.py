# CTR-GCN's training on the few short clips of NW-UCLA: random frames in temporal order, random
# rotations (y points up). 32 frames and 50 passes, for two CPU cores.
sampling = dict(length=32, method="random")
augment = dict(flip=0.5, rotate_rad=0.0, rotate3d_rad=[0.3, 1.0, 0.1], scale=0.0, noise=0.01)
train = dict(
    epochs=10,
    repeat=5,
    batch_size=16,
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=5e-4,
    label_smoothing=0.1,
    val_fraction=0.0,
    patience=0,
)
