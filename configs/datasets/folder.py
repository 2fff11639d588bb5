# Own videos with one folder per class: 5-second clips of one person.
dataset = dict(name="folder")
clips = dict(length_s=5.0, overlap_s=0.0)
sequence = dict(persons=1, max_gap_s=0.5)
