# An annotation pickle of PYSKL or mmaction2 in 2-D or 3-D: --data FILE.pkl.
dataset = dict(name="pyskl")
clips = dict(length_s=0.0)
sequence = dict(persons=2)
normalise = dict(threshold=0.01)
