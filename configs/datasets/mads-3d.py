# The 3-D ground truth of MADS: 5-second clips.
dataset = dict(name="mads-3d", protocol="xseq", skeleton="mads-19")
clips = dict(length_s=5.0)
normalise = dict(mode="body", dims=3)
