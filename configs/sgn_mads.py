# SGN on the sample set
_base_ = ["datasets/mads.py", "training/frames20.py"]
model = dict(name="sgn")
augment = dict(flip=0.5, scale=0.15, noise=0.01)
train = dict(epochs=60, batch_size=16, milestones=[40, 52])
