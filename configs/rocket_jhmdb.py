# random convolutions on JHMDB's estimated poses: four varied copies of every clip
_base_ = ["datasets/jhmdb.py", "models/rocket.py"]
model = dict(features=["distances", "slow", "position", "score"])
sampling = dict(length=32, method="stretch", test_flip=True)
augment = dict(flip=0.5, rotate_rad=0.1, scale=0.1, noise=0.005)
train = dict(epochs=1, repeat=4, batch_size=32, val_share=0.0, patience=0)
