# the efficient self-attention network at half its width on NW-UCLA, 32 frames
_base_ = ["datasets/nw-ucla.py", "models/esan.py", "schedules/frames20.py"]
sampling = dict(length=32)
augment = dict(flip=0.5, rotate_rad=0.0, rotate3d_rad=0.5, scale=0.2, noise=0.005)
train = dict(epochs=60, batch_size=32, milestones=[40, 52])
model = dict(embed=64, widths=[96, 96, 96, 96], theta=64, frames=32, dropout=0.2)
