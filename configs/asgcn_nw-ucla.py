# AS-GCN with half the channels on NW-UCLA; both training phases in one run.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
model = dict(name="asgcn", base_channels=32, tcn_dropout=0.2)
train = dict(pretrain_epochs=2)
