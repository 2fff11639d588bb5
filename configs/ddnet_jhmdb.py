# DD-Net on JHMDB's estimated poses, of which training sees two estimates. In float32: bfloat16 did
# worse in validation (55.1 against 58.7 %, one seed)
_base_ = ["datasets/jhmdb.py", "training/jhmdb.py"]
dataset = dict(mirrored_poses=True)
augment = dict(rotate_rad=0.1)
train = dict(repeat=5, amp=False)
model = dict(name="ddnet", features=["distances", "slow", "fast", "position", "score"])
