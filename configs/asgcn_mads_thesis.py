# AS-GCN on MADS as in its thesis: BODY_25 joints, 5-second clips repeated to 300 frames.
_base_ = ["datasets/mads.py", "training/asgcn.py"]
model = dict(name="asgcn")
dataset = dict(skeleton="body-25")
normalise = dict(mode="image")
train = dict(batch_size=4, pretrain_lr=0.005, val_fraction=0.25)
