"""Contrastive losses over all pairs of a batch."""

import torch
from torch import nn


def _pair_masks(labels):
    """Masks (batch, batch) of the pairs with one label and of the others."""
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


class SupervisedContrastiveLoss(nn.Module):
    """Modified supervised contrastive loss ("MSC").

    For every anchor with at least one positive in the batch, the negative log of
    the summed similarity to its positives over the summed similarity to all other
    members of the batch, averaged over anchors; plus a small weight on the variance
    within each label, which keeps a label in one piece. Every label counts equally,
    in the sums and as anchors, however many of its members the batch holds.

    Parameters
    ----------
    temperature : float
        Divisor of the cosine similarities.
    variance_weight : float
        Weight of the mean squared distance to the centre of the own label.

    Notes
    -----
    Expects embeddings on the unit sphere, shape (batch, n_components), and integer
    labels, shape (batch,). After Khosla et al. (2020), with the sum over positives
    inside the logarithm and the variance term as in Javadzadeh et al.
    (arXiv:2510.27090).
    """

    def __init__(self, temperature=0.2, variance_weight=0.05):
        super().__init__()
        self.temperature = temperature
        self.variance_weight = variance_weight

    def forward(self, embeddings, labels):
        """Return the loss of a batch, a scalar."""
        positive, _ = _pair_masks(labels)
        weights = _label_weights(labels).to(embeddings.dtype)
        similarity = embeddings @ embeddings.T / self.temperature + weights.log()
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        lowest = torch.finfo(similarity.dtype).min
        everyone = similarity.masked_fill(itself, lowest).logsumexp(dim=1)
        positives = similarity.masked_fill(~positive, lowest).logsumexp(dim=1)
        anchors = weights * positive.any(dim=1)
        contrast = (everyone - positives).where(anchors > 0, 0.0)
        contrast = (contrast * anchors).sum() / anchors.sum().clamp(min=1e-12)
        return contrast + self.variance_weight * _within_variance(embeddings, labels)


def _label_weights(labels):
    """Return one over the number of members of each label in the batch."""
    _, index, sizes = labels.unique(return_inverse=True, return_counts=True)
    return 1.0 / sizes[index].double()


def _within_variance(embeddings, labels):
    """Mean squared distance of the embeddings to the centre of their label."""
    _, index = labels.unique(return_inverse=True)
    membership = nn.functional.one_hot(index).to(embeddings.dtype)
    centres = (membership.T @ embeddings) / membership.sum(dim=0)[:, None]
    return (embeddings - centres[index]).square().sum(dim=1).mean()


class PairwiseContrastiveLoss(nn.Module):
    """Siamese contrastive loss over all pairs of a batch ("PSC").

    The squared distance of similar pairs, and the squared shortfall of the distance
    of dissimilar pairs to a margin; each kind of pair carries half of the weight.

    Parameters
    ----------
    margin : float
        Distance beyond which dissimilar pairs are left alone.

    Notes
    -----
    Hadsell et al. (2006). The paper draws pairs, half of them similar; here every
    pair of the batch takes part and the two kinds are averaged separately.
    """

    def __init__(self, margin=0.5):
        super().__init__()
        self.margin = margin

    def forward(self, embeddings, labels):
        """Return the loss of a batch, a scalar."""
        positive, negative = _pair_masks(labels)
        # through a matrix product, near pairs would lose their digits
        distance = torch.cdist(
            embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist"
        )
        shortfall = (self.margin - distance).clamp(min=0)
        return (
            _mean(distance.square(), positive) + _mean(shortfall.square(), negative)
        ) / 2


def _mean(values, mask):
    """Mean of the masked values, zero where there are none."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


class JointContrastiveLoss(nn.Module):
    """Contrastive loss of some labels, and beside it of others among themselves.

    Where only the channel of a sample is known, it may be of any region: it is set
    apart from other such samples, but not from those whose region is known.

    Parameters
    ----------
    loss : type
        Class of the loss.
    n_labels : int
        Number of labels that are not auxiliary; these come first.
    weight : float
        Weight of the loss of the auxiliary labels, whose parameters are the defaults.
    **params : dict
        Parameters of the loss of the others.
    """

    def __init__(self, loss, n_labels, weight, **params):
        super().__init__()
        self.loss, self.auxiliary = loss(**params), loss()
        self.n_labels = n_labels
        self.weight = weight

    def forward(self, embeddings, labels):
        """Return the loss of a batch, a scalar."""
        first = labels < self.n_labels
        return self.loss(embeddings[first], labels[first]) + (
            self.weight * self.auxiliary(embeddings[~first], labels[~first])
        )


LOSSES = {"supcon": SupervisedContrastiveLoss, "pairwise": PairwiseContrastiveLoss}
