"""EfficientNet-Lite under the name by which metrics and training know it; both ends of the link use it."""

from shared.efficientnet import CLASSIFIER_SIDE, PATCH_WIDTH, EfficientNetLite, efficientnet_lite

__all__ = ["CLASSIFIER_SIDE", "PATCH_WIDTH", "EfficientNetLite", "efficientnet_lite"]
