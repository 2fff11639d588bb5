# DD-Net on JHMDB's estimated poses, in the picture: small and dark people are found and followed
_base_ = ["datasets/jhmdb.py", "models/ddnet.py", "schedules/jhmdb.py"]
augment = dict(rotate_rad=0.1)
model = dict(features=["distances", "slow", "fast", "position", "score"])
