# the efficient self-attention network at half its width on NW-UCLA, 32 frames, clips stretched
_base_ = ["datasets/nw-ucla.py", "models/esan.py", "schedules/frames20.py"]
sampling = dict(length=32, method="stretch")
augment = dict(flip=0.5, rotate_rad=0.0, rotate3d_rad=0.6, scale=0.2, noise=0.01, drop_joint=0.05)
train = dict(
    epochs=30, repeat=3, batch_size=32, schedule="cosine", milestones=[], weight_decay=5e-4
)
model = dict(embed=64, widths=[96, 96, 96, 96], theta=64, frames=32, dropout=0.3)
