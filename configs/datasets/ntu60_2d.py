# NTU RGB+D 60: estimated 2-D poses, two persons, the 17 joints of COCO.
dataset = dict(name="ntu60", protocol="xsub", skeleton="coco-17")
clips = dict(length_s=0.0)
sequence = dict(persons=2)
normalise = dict(mode="image", dims=2, threshold=0.01)
