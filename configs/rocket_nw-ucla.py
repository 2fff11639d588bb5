# Random convolutions on NW-UCLA.
_base_ = ["datasets/nw-ucla.py"]
model = dict(name="rocket")
normalise = dict(mode="kinect", minmax=False)
sampling = dict(length=64, method="linspace", test_flip=True)
augment = dict(flip=0.5, rotate_rad=0.0, rotate3d_rad=[0.3, 1.0, 0.1], scale=0.1, noise=0.005)
train = dict(epochs=1, repeat=8, batch_size=32, val_fraction=0.0, patience=0)
