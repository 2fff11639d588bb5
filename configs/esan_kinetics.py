# The efficient self-attention network on Kinetics-skeleton: no rotation, one draw in testing.
_base_ = ["datasets/kinetics.py", "training/frames20.py"]
model = dict(name="esan")
normalise = dict(flatten_persons=True)
sampling = dict(test_clips=1)
augment = dict(rotate_rad=0.0)
train = dict(val_fraction=0.05)
