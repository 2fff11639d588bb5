# DD-Net on estimated poses of JHMDB, trained on two estimates of each video (original and
# mirrored). In float32, because bfloat16 was worse in validation (55.1 against 58.7 %, one seed).
_base_ = ["datasets/jhmdb.py", "training/jhmdb.py"]
dataset = dict(mirrored_poses=True)
augment = dict(rotate_rad=0.1)
train = dict(repeat=5, amp=False)
model = dict(name="ddnet", features=["distances", "slow", "fast", "position", "score"])
