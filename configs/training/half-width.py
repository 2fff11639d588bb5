# Half the channels and six stages, for small datasets.
model = dict(base_channels=32, num_stages=6, inflate_stages=[3, 5], down_stages=[3, 5], dropout=0.2)
