"""The lens of one camera from pictures of a flat board: views, starting values, fit and choice of model."""
