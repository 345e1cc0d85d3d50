"""The pocket decoder: a restorer, an autoencoder and a rectified flow, small enough to ship."""
