# DD-Net with 64 filters on NW-UCLA. Coordinates are scaled by the body only, which preserves
# distances.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
normalise = dict(minmax=False)
augment = dict(scale=0.1, noise=0.02)
train = dict(
    optimiser="adamw", lr=2e-3, base_batch_size=0, weight_decay=1e-2, batch_size=32, epochs=20
)
model = dict(name="ddnet", width=64, features=["distances", "slow", "fast", "position"])
