# DD-Net on JHMDB's estimated poses, of which training sees two estimates. float32: in bfloat16 this
# small network loses two to four points
_base_ = ["datasets/jhmdb.py", "models/ddnet.py", "schedules/jhmdb.py"]
dataset = dict(second_look=True)
augment = dict(rotate_rad=0.1)
train = dict(repeat=5, amp=False)
model = dict(features=["distances", "slow", "fast", "position", "score"])
