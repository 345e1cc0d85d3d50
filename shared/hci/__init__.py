"""The HCI stream: the highly compressed image (HCI), a down-sampled picture from one of two coders."""
