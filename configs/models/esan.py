# the efficient self-attention network: joints and bones, 20 frames, 0.89 million parameters
model = dict(name="esan")
