"""ColorHandPose3D (Zimmermann and Brox, ICCV 2017): as in the paper, and small enough for real time."""
