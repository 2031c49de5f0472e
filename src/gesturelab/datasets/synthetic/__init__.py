"""Made-up people who move a kinematic model of the Kinect v2 skeleton."""
