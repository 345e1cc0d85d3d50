"""Decoders: from guidance to a picture. Every decoder implements ``receiver.decoders.base.Decoder``."""
