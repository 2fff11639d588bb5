# The efficient self-attention network on NTU120: joints and bones, rotation up to 17 degrees.
_base_ = ["datasets/ntu120.py", "training/frames20.py"]
model = dict(name="esan")
normalise = dict(flatten_persons=True)
augment = dict(rotate_rad=0.0, rotate3d_rad=0.2967)
train = dict(val_fraction=0.05)
