"""handloom weaves camera views into metric 3D hands and bodies."""
