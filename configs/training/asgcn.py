# AS-GCN: all frames, repeated to 300, the last 10 predicted; 10 pre-training and 100 epochs.
sampling = dict(length=300, method="wrap")
augment = dict(flip=0.0, rotate_rad=0.0, scale=0.0, noise=0.0)
train = dict(
    epochs=100,
    repeat=1,
    batch_size=32,
    lr=0.1,
    base_batch_size=0,
    weight_decay=1e-4,
    schedule="step",
    milestones=[50, 70, 90],
    patience=0,
    val_fraction=0.05,
    pretrain_epochs=10,
    pretrain_lr=5e-4,
)
