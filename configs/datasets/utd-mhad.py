# UTD-MHAD: Kinect v1 skeletons, odd subjects train, even ones test.
dataset = dict(name="utd-mhad", protocol="xsub", skeleton="kinect-20")
clips = dict(length_s=0.0)
normalise = dict(mode="kinect", dims=3)
