"""Contrastive losses over all pairs of a batch."""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

LOWEST = -60.0  # exponent of a share


def _split_targets(targets):
    """Return the labels and groups of targets; without groups, each is its own."""
    if targets.ndim == 2:
        return targets.unbind(dim=1)
    return targets, torch.arange(len(targets), device=targets.device)


def _pair_masks(labels, groups):
    """Masks (batch, batch) of positive and negative pairs; others do not count."""
    same = labels[:, None] == labels[None, :]
    return same & (groups[:, None] != groups[None, :]), ~same


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

    Labels and groups, shape (batch, 2), make positives of other groups only: pairs of
    one label and group are in neither sum. The loss of nobody is zero.
    """

    def __init__(self, temperature=0.2, variance_weight=0.05):
        super().__init__()
        self.temperature = temperature
        self.variance_weight = variance_weight

    def forward(self, embeddings, targets):
        """Return the loss of a batch, a scalar."""
        if not len(embeddings):
            return embeddings.sum()
        labels, groups = _split_targets(targets)
        same = labels[:, None] == labels[None, :]
        other_group = groups[:, None] != groups[None, :]
        weights = 1 / same.sum(dim=1).to(embeddings.dtype)
        contrast = _Contrast.apply(
            embeddings,
            same & other_group,
            same & ~other_group,
            weights,
            self.temperature,
        )
        centres = (same * weights) @ embeddings
        variance = (embeddings - centres).square().sum(dim=1).mean()
        return contrast + self.variance_weight * variance


class _Contrast(torch.autograd.Function):
    """The contrast of `SupervisedContrastiveLoss`, and its gradient in closed form.

    With two arrays over all pairs, filled in place, where automatic differentiation
    would keep a dozen: moving these through the memory is what takes the time.
    """

    @staticmethod
    def forward(ctx, embeddings, positive, left_out, weights, temperature):
        """Return the mean over anchors, a scalar."""
        embeddings = embeddings.detach()
        anchors = weights * positive.any(dim=1)
        anchors /= anchors.sum().clamp(min=1e-12)
        similarity = embeddings @ (embeddings.T / temperature)
        of_positives = similarity.masked_fill(~positive, -torch.inf)
        everyone = similarity.masked_fill_(left_out, -torch.inf)
        contrast = _share_out(everyone, weights) - _share_out(of_positives, weights)
        # by each similarity: its share of everyone, less its share of the positives
        by_pair = everyone.sub_(of_positives).mul_(anchors[:, None])
        gradient = (by_pair @ embeddings + by_pair.T @ embeddings) / temperature
        ctx.save_for_backward(gradient)
        return (contrast * anchors).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, by):
        """Return the gradient with respect to the embeddings."""
        (gradient,) = ctx.saved_tensors
        return by * gradient, None, None, None, None


def _share_out(similarity, weights):
    """Turn similarities into shares of the weighted sum of their exponentials.

    Returns the logarithm of the sum, for each row; shares are in place.
    """
    largest = similarity.amax(dim=1, keepdim=True).nan_to_num_(neginf=0.0)
    # less is nothing beside the largest, and processors are slow with what it gives
    similarity.sub_(largest).clamp_(min=LOWEST).exp_().mul_(weights)
    total = similarity.sum(dim=1, keepdim=True)
    total.clamp_(min=torch.finfo(total.dtype).tiny)
    similarity.div_(total)
    return (total.log() + largest)[:, 0]


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
    pair of the batch takes part and the two kinds are averaged separately. Groups
    beside the labels are as for `SupervisedContrastiveLoss`.
    """

    def __init__(self, margin=0.5):
        super().__init__()
        self.margin = margin

    def forward(self, embeddings, targets):
        """Return the loss of a batch, a scalar."""
        positive, negative = _pair_masks(*_split_targets(targets))
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

    def forward(self, embeddings, targets):
        """Return the loss of a batch, a scalar."""
        labels, _ = _split_targets(targets)
        first = labels < self.n_labels
        # what is alike in one channel is of one group in any case
        return self.loss(embeddings[first], targets[first]) + (
            self.weight * self.auxiliary(embeddings[~first], labels[~first])
        )


LOSSES = {"supcon": SupervisedContrastiveLoss, "pairwise": PairwiseContrastiveLoss}
