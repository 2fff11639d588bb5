# AS-GCN with a quarter of the channels on NW-UCLA, for forecasts of 0.4 s (12 frames): consecutive
# frames, not scaled per clip, and a forecast loss about as large as that of the classification.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
normalise = dict(minmax=False)
sampling = dict(length=32, method="recent", test_clips=3)
model = dict(
    name="asgcn",
    base_channels=16,
    tcn_dropout=0.2,
    horizon=12,
    forecast_weight=2.0,
    recentre=True,
    recent_frames=10,
    aim_frames=20,
    aim_hidden=32,
)
train = dict(
    epochs=6,
    repeat=2,
    batch_size=32,
    optimiser="adamw",
    lr=3e-3,
    base_batch_size=0,
    weight_decay=1e-2,
    warmup=20,
    pretrain_epochs=1,
    val_fraction=0.15,
)
