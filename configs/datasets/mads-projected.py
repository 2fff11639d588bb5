# The ground truth of MADS projected into every camera view: 5-second clips.
dataset = dict(name="mads-projected", protocol="xseq", skeleton="mads-19")
clips = dict(length_s=5.0)
normalise = dict(mode="body", dims=2)
