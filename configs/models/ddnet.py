# DD-Net with 32 filters: distances between joints and their motion, in no time on one core
model = dict(name="ddnet")
