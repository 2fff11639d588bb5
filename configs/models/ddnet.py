# DD-Net with 32 filters: distances between joints and their motion
model = dict(name="ddnet")
