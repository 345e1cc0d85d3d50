"""How good a picture is: perceptual distances and agreement of a classifier."""
