"""The demo: photographs over a fading channel by Semlink and by a classical codec, at equal channel uses."""
