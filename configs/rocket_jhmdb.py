# Random convolutions on estimated poses of JHMDB, trained on two estimates of each video (original
# and mirrored).
_base_ = ["datasets/jhmdb.py"]
dataset = dict(mirrored_poses=True)
model = dict(name="rocket", features=["distances", "slow", "position", "score"])
sampling = dict(length=32, method="linspace", test_flip=True)
augment = dict(flip=0.5, rotate_rad=0.1, scale=0.1, noise=0.005)
train = dict(epochs=1, repeat=3, batch_size=32, val_fraction=0.0, patience=0)
