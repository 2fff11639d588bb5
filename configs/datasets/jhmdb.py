# JHMDB: whole clips of the most prominent person
dataset = dict(name="jhmdb", protocol="split1", skeleton="coco-17")
split = dict(length_s=0.0)
sequence = dict(persons="1", max_gap_s=0.5)
normalise = dict(mode="body", dims=2)
