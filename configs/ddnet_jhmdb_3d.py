# DD-Net on JHMDB in 3-D, on BlazePose's world landmarks in metres.
_base_ = ["datasets/jhmdb.py", "training/jhmdb.py"]
normalise = dict(dims=3)
augment = dict(rotate_rad=0.1, rotate3d_rad=[0.1, 0.6, 0.1])
model = dict(name="ddnet", features=["distances", "slow", "fast", "position"])
