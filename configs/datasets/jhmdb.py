# JHMDB: each video is one clip of one person, who can be small, dark or partly outside the frame.
pose = dict(max_persons=1, min_confidence=0.1, backfill_s=3.0)
dataset = dict(name="jhmdb", protocol="split1", skeleton="coco-17")
clips = dict(length_s=0.0)
sequence = dict(persons=1, max_gap_s=0.5)
normalise = dict(mode="body", dims=2)
