"""Recipes for large pretrained bases: ControlNets, token adapters and low-rank changes of the base. See README.md."""
