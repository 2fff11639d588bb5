# random convolutions on the sample set: no epochs to wait for
_base_ = ["datasets/mads.py"]
model = dict(name="rocket")
sampling = dict(length=64, method="linspace", test_flip=True)
augment = dict(flip=0.5, rotate_rad=0.1, scale=0.1, noise=0.005)
train = dict(epochs=1, repeat=4)
