# The efficient self-attention network with half the channels on NW-UCLA.
_base_ = ["datasets/nw-ucla.py", "training/nw-ucla.py"]
train = dict(optimiser="adam", lr=1e-3, base_batch_size=0, weight_decay=1e-4, batch_size=32)
model = dict(name="esan", embed=64, widths=[96, 96, 96, 96], theta=64, frames=32, dropout=0.3)
