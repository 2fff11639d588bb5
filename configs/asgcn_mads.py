# AS-GCN at half its width, for the sample set; both phases in one run
_base_ = ["datasets/mads.py", "training/small.py"]
model = dict(name="asgcn", base_channels=32, tcn_dropout=0.2)
train = dict(pretrain_epochs=2)
