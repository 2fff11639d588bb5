# An annotation pickle of PYSKL or mmaction2 with 2-D poses: --data FILE.pkl.
dataset = dict(name="pyskl", skeleton="coco-17")
clips = dict(length_s=0.0)
sequence = dict(persons=2)
normalise = dict(mode="image", dims=2, threshold=0.01)
