# DD-Net on the sample set
_base_ = ["datasets/mads.py", "training/modern.py"]
model = dict(name="ddnet")
sampling = dict(length=64)
train = dict(optimiser="adamw", lr=2e-3, base_batch_size=0, weight_decay=1e-2)
