"""Classifier agreement: does EfficientNet-Lite0 give the decoded picture the classes that it gives the original?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

TOP: Final = 5


def class_agreement(logits: Tensor, reference: Tensor) -> dict[str, float]:
    """Compare the classifier's ``logits`` ``[1000]`` for a decoded picture with those for its original.

    ``top1`` is 1 if both have the same best class, ``top5`` is 1 if the original's best class is among the decoded
    picture's five best, ``class_kl`` is the Kullback-Leibler divergence of the class probabilities in nats.
    """
    best = int(reference.argmax())
    log_p, log_q = reference.log_softmax(0), logits.log_softmax(0)
    return {
        "top1": float(int(logits.argmax()) == best),
        "top5": float(best in logits.topk(TOP).indices.tolist()),
        "class_kl": float((log_p.exp() * (log_p - log_q)).sum()),
    }
