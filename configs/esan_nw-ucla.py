# the efficient self-attention network on NW-UCLA
_base_ = ["datasets/nw-ucla.py", "models/esan.py", "schedules/frames20.py"]
sampling = dict(length=32)
augment = dict(rotate3d_rad=0.3, rotate_rad=0.0, scale=0.1)
train = dict(epochs=60, milestones=[35, 50])
model = dict(frames=32)
