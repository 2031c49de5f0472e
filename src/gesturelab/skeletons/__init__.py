"""Joints, bones and mirror pairs; landmarks of other trackers brought onto them."""
