# NW-UCLA: Kinect v1 skeletons, one person, train on cameras 1 and 2, test on 3
dataset = dict(name="nw-ucla", protocol="xview", skeleton="kinect-20")
split = dict(length_s=0.0)
normalise = dict(mode="kinect", dims=3)
