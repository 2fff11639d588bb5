# agcn at half its width and six stages, for the sample set
_base_ = ["datasets/mads.py", "training/small.py"]
model = dict(
    name="agcn",
    base_channels=32,
    num_stages=6,
    inflate_stages=[3, 5],
    down_stages=[3, 5],
    dropout=0.2,
)
