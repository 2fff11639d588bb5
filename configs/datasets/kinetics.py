# Kinetics-skeleton: OpenPose's 18 joints, the two most prominent persons.
dataset = dict(name="kinetics", protocol="official", skeleton="openpose-18")
clips = dict(length_s=0.0)
sequence = dict(persons=2)
normalise = dict(mode="image", dims=2, threshold=0.0)
