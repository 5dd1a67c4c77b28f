"""From keypoints in several views to points in space: association, triangulation, filtering."""
