# MS-G3D: 13 scales, windows of 3 and 5 frames, 3.0 million parameters
model = dict(name="msg3d")
