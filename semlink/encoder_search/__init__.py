"""The receiver's decoder in the loop of the sender: it helps to choose the HCI and the number of latent channels.

Sender and receiver do not import each other. Whoever starts a sender passes these objects in.
"""
