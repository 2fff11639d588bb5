# ST-GCN on NTU60 as its authors trained it: 300 frames, dropout, steps at 10 and 50 of 80 epochs.
_base_ = ["datasets/ntu60.py", "training/asgcn.py"]
dataset = dict(skeleton="ntu-25-thumb")
normalise = dict(mode="none")
train = dict(epochs=80, batch_size=64, milestones=[10, 50])
model = dict(name="stgcn", tcn_dropout=0.5)
