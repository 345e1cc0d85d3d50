"""Reads what picture files of science and photography hold besides 8-bit RGB: wide values, profiles, gamma."""
