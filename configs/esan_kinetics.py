# the efficient self-attention network on Kinetics-skeleton: no rotation, one draw at test
_base_ = ["datasets/kinetics.py", "models/esan.py", "schedules/frames20.py"]
normalise = dict(interleave=True)
sampling = dict(test_clips=1)
augment = dict(rotate_rad=0.0)
train = dict(val_share=0.05)
