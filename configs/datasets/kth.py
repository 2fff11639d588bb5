# KTH actions: OpenPose BODY_25 in pixels, one person, no score.
dataset = dict(name="kth", protocol="official", skeleton="body-25")
clips = dict(length_s=0.0)
sequence = dict(persons=1)
normalise = dict(mode="none", dims=2, score=False)
