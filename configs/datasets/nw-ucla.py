# NW-UCLA: Kinect v1 skeletons, one person, train on cameras 1 and 2, test on 3; each axis scaled
# to -1..1 as in CTR-GCN's code.
dataset = dict(name="nw-ucla", protocol="xview", skeleton="kinect-20")
clips = dict(length_s=0.0)
normalise = dict(mode="body", dims=3, minmax=True)
