"""Dense optical flow between frames: estimation, warping, occlusion, files."""
