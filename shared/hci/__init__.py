"""HCI stream: the highly compressed image, a down-sampled picture coded by one of two coders."""
