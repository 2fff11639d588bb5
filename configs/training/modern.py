# PYSKL / mmaction2: uniform sampling to 100 frames, SGD 0.1 for a batch of 128, cosine per
# iteration, 16 epochs x 5 passes.
sampling = dict(length=100, method="uniform", test_clips=1)
augment = dict(flip=0.5, rotate_rad=0.2, scale=0.15, noise=0.01)
train = dict(
    epochs=16, repeat=5, batch_size=16, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
)
