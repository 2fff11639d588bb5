# NTU RGB+D 60: Kinect skeletons, two persons, 25 joints in 3-D.
dataset = dict(name="ntu60", protocol="xsub", skeleton="ntu-25")
clips = dict(length_s=0.0)
sequence = dict(persons=2)
normalise = dict(mode="kinect", dims=3)
