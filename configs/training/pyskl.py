# PYSKL and mmaction2 on NTU: batch 128, 80 passes, no augmentation, 10 clips at test.
_base_ = ["modern.py"]
sampling = dict(test_clips=10)
augment = dict(flip=0.0, rotate_rad=0.0, scale=0.0, noise=0.0)
train = dict(batch_size=128, patience=0, val_fraction=0.05)
