"""Live recognition: frames in as they come, answers and the start and end of gestures out."""
