# AS-GCN with half the channels on NW-UCLA; both training phases in one run. The link inference has
# half its width and sees the 32 sampled frames once, not repeated to 50.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
model = dict(name="asgcn", base_channels=32, tcn_dropout=0.2, aim_frames=32, aim_hidden=64)
train = dict(pretrain_epochs=1)
