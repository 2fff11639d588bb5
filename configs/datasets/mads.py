# MADS, or the sample set, which has its layout: 5-second clips of one person, poses converted to
# the 17 joints of COCO.
dataset = dict(name="mads", protocol="xseq", skeleton="coco-17")
clips = dict(length_s=5.0, overlap_s=0.0)
sequence = dict(persons=1, max_gap_s=0.5)
normalise = dict(mode="body", dims=2)
