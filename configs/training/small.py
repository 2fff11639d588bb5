# For small datasets and two CPU cores: 64 frames, a high learning rate with warm-up.
_base_ = ["modern.py"]
sampling = dict(length=64)
train = dict(epochs=12, lr=0.4, warmup=20)
