# DD-Net on the sample set
_base_ = ["datasets/mads.py", "models/ddnet.py", "training/modern.py"]
sampling = dict(length=64)
train = dict(optimiser="adamw", lr=2e-3, base_batch_size=0, weight_decay=1e-2)
