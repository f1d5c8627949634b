import numpy as np
import pytest
import torch

from mne_funcmap.nets.losses import (
    JointContrastiveLoss,
    PairwiseContrastiveLoss,
    SupervisedContrastiveLoss,
)

LOSSES = [SupervisedContrastiveLoss, PairwiseContrastiveLoss]
LABELS = [0, 0, 1, 2, 1, 0, 5, 2, 2]  # the label 5 has a single member


def make_embeddings(labels=LABELS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(z), torch.tensor(labels)


def supcon_by_hand(z, labels, temperature, variance_weight, groups=None):
    groups = np.arange(len(z)) if groups is None else groups
    weights = [1 / np.sum(labels == label) for label in labels]
    contrasts, anchors = [], []
    for i in range(len(z)):
        positives = everyone = 0.0
        for j in range(len(z)):
            if labels[j] != labels[i] or groups[j] != groups[i]:
                similarity = weights[j] * np.exp(z[i] @ z[j] / temperature)
                everyone += similarity
                positives += similarity * (labels[j] == labels[i])
        if positives:
            contrasts.append(-np.log(positives / everyone))
            anchors.append(weights[i])
    variance = np.mean(
        [
            np.sum((z[i] - z[labels == labels[i]].mean(axis=0)) ** 2)
            for i in range(len(z))
        ]
    )
    return np.average(contrasts, weights=anchors) + variance_weight * variance


def pairwise_by_hand(z, labels, margin):
    similar, dissimilar = [], []
    for i in range(len(z)):
        for j in range(len(z)):
            distance = np.sqrt(np.sum((z[i] - z[j]) ** 2))
            if i != j and labels[i] == labels[j]:
                similar.append(distance**2)
            elif i != j:
                dissimilar.append(max(0.0, margin - distance) ** 2)
    return (np.mean(similar) + np.mean(dissimilar)) / 2


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("variance_weight", [0.0, 0.05])
def test_supcon(temperature, variance_weight):
    z, labels = make_embeddings()
    loss = SupervisedContrastiveLoss(temperature, variance_weight)(z, labels)
    expected = supcon_by_hand(z.numpy(), labels.numpy(), temperature, variance_weight)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_supcon_across_groups():
    z, labels = make_embeddings()
    groups = torch.tensor([0, 0, 1, 1, 2, 3, 0, 1, 4])
    targets = torch.stack([labels, groups], dim=1)
    loss = SupervisedContrastiveLoss(0.2, 0.05)(z, targets)
    expected = supcon_by_hand(z.numpy(), labels.numpy(), 0.2, 0.05, groups.numpy())
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "loss", [SupervisedContrastiveLoss(), PairwiseContrastiveLoss()]
)
def test_groups_of_one_member_change_nothing(loss):
    z, labels = make_embeddings()
    targets = torch.stack([labels, torch.arange(len(labels))], dim=1)
    torch.testing.assert_close(loss(z, targets), loss(z, labels))


def test_pairs_of_one_label_and_group_do_not_count():
    """Wherever such a pair lies, the pairwise loss is that of the others."""
    z, labels = make_embeddings([0, 0, 0, 1])
    targets = torch.stack([labels, torch.tensor([0, 0, 1, 0])], dim=1)
    loss = PairwiseContrastiveLoss(margin=0.5)
    distance = torch.cdist(z, z)
    similar = (distance[0, 2] ** 2 + distance[1, 2] ** 2) / 2
    other = (0.5 - distance[3, :3]).clamp(min=0).square().mean()
    torch.testing.assert_close(loss(z, targets), (similar + other) / 2)


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 2, 3, 0, 1, 4]])
def test_gradient_of_supcon(groups):
    """It is written out: finite differences must agree, on and off the sphere."""
    z, targets = make_embeddings()
    if groups is not None:
        targets = torch.stack([targets, torch.tensor(groups)], dim=1)
    loss = SupervisedContrastiveLoss(0.3)
    for values in (z, 2 * z + 0.1):
        values = values.requires_grad_()
        assert torch.autograd.gradcheck(lambda x: loss(x, targets), values)


def test_gradient_of_supcon_without_positives():
    z, targets = make_embeddings([0, 1, 2])
    z.requires_grad_()
    SupervisedContrastiveLoss()(z, targets).backward()
    assert not z.grad.any()


def test_far_positives_are_pulled():
    """However small what they are rounds to, beside the nearest."""
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [1.0, 0.1]])
    z = torch.nn.functional.normalize(z).requires_grad_()
    loss = SupervisedContrastiveLoss(0.01, 0.0)(z, torch.tensor([0, 0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(100, abs=2)
    assert z.grad[1, 0] < -10  # the gradient is descended: towards the first


def test_supcon_weighs_labels_equally():
    # all members of a label at one point: however many, they weigh as one
    z, _ = make_embeddings(range(3))
    values = []
    for n_each in ([2, 2, 2], [40, 2, 5]):
        labels = np.repeat(np.arange(3), n_each)
        loss = SupervisedContrastiveLoss(variance_weight=0.0)
        values.append(loss(z[labels], torch.from_numpy(labels)))
    cosines = (z @ z.T / 0.2).numpy()
    others = np.exp(cosines).sum(axis=1) - np.exp(np.diag(cosines))
    for value, n_each in zip(values, ([2, 2, 2], [40, 2, 5]), strict=True):
        own = np.exp(5) * (1 - 1 / np.array(n_each))
        expected = np.log1p(others / own).mean()
        assert value.item() == pytest.approx(expected)


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_pairwise(margin):
    z, labels = make_embeddings()
    loss = PairwiseContrastiveLoss(margin)(z, labels)
    expected = pairwise_by_hand(z.numpy(), labels.numpy(), margin)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_closed_forms():
    # two labels at opposite poles, two members each
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]).double()
    labels = torch.tensor([0, 0, 1, 1])
    expected = np.log1p(2 * np.exp(-2 / 0.2))
    assert SupervisedContrastiveLoss()(z, labels).item() == pytest.approx(expected)
    assert PairwiseContrastiveLoss(margin=0.5)(z, labels) == 0
    assert PairwiseContrastiveLoss(margin=2.5)(z, labels) == pytest.approx(0.125)


def test_defaults_of_the_paper():
    supcon = SupervisedContrastiveLoss()
    assert (supcon.temperature, supcon.variance_weight) == (0.2, 0.05)
    assert PairwiseContrastiveLoss().margin == 0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_invariances(loss):
    z, labels = make_embeddings()
    value = loss()(z, labels).item()
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(1))
    rotation = torch.linalg.qr(make_embeddings(range(4))[0]).Q
    assert loss()(z[order], labels[order]).item() == pytest.approx(value)
    assert loss()(z @ rotation, labels).item() == pytest.approx(value)
    assert loss()(z, 100 - 7 * labels).item() == pytest.approx(value)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss):
    z, labels = make_embeddings()
    assert torch.autograd.gradcheck(
        lambda z: loss()(z, labels), z.clone().requires_grad_()
    )


@pytest.mark.parametrize(
    "loss",
    [
        SupervisedContrastiveLoss(0.2),
        SupervisedContrastiveLoss(0.05, 0.5),
        PairwiseContrastiveLoss(0.5),
        PairwiseContrastiveLoss(1.5),
        JointContrastiveLoss(SupervisedContrastiveLoss, n_labels=3, weight=2.0),
    ],
)
@pytest.mark.parametrize("n_groups", [None, 4])
def test_float32_is_float64(loss, n_groups):
    """To 1e-6, and gradients to 1e-5 of the largest."""
    rng = np.random.default_rng(0)
    z, targets = make_embeddings(rng.integers(0, 5, 300))
    if n_groups is not None:
        groups = torch.from_numpy(rng.integers(0, n_groups, 300))
        targets = torch.stack([targets, groups], dim=1)
    values, gradients = [], []
    for dtype in (torch.float32, torch.float64):
        given = z.to(dtype).requires_grad_()
        value = loss(given, targets)
        value.backward()
        assert value.dtype == given.grad.dtype == dtype
        values.append(value.item())
        gradients.append(given.grad.double())
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    largest = gradients[1].abs().max().item()
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_joint(loss):
    z, labels = make_embeddings()
    targets = torch.stack([labels, torch.tensor([0, 1, 1, 1, 2, 3, 0, 1, 4])], dim=1)
    joint = JointContrastiveLoss(loss, n_labels=2, weight=3.0)
    assert torch.autograd.gradcheck(lambda z: joint(z, targets), z.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_labels", [0, 9])
def test_joint_of_one_kind_alone(loss, n_labels):
    z, labels = make_embeddings()
    z.requires_grad_()
    value = JointContrastiveLoss(loss, n_labels=n_labels, weight=1.0)(z, labels)
    value.backward()
    assert value.item() == pytest.approx(loss()(z, labels).item())
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize(
    "labels", [LABELS, [0, 1, 2, 3], [0, 0, 0, 0], [0, 0], [0, 1], [3]], ids=str
)
@pytest.mark.parametrize("same", [False, True])
def test_finite(loss, scale, labels, same):
    z, labels = make_embeddings(labels)
    z = (scale * (z[:1].expand_as(z) if same else z)).float().clone().requires_grad_()
    value = loss()(z, labels)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_descent_separates_labels(loss):
    z, labels = make_embeddings()
    z = z.requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    values = []
    for _ in range(100):
        optimizer.zero_grad()
        value = loss()(torch.nn.functional.normalize(z), labels)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] / 3
    distance = torch.cdist(*2 * [torch.nn.functional.normalize(z.detach())])
    same = labels[:, None] == labels
    assert distance[same].max() < distance[~same].min()


@pytest.mark.parametrize("loss", LOSSES)
def test_joint_is_the_sum_of_two(loss):
    z, labels = make_embeddings()
    first = labels < 2
    joint = JointContrastiveLoss(loss, n_labels=2, weight=3.0)
    expected = loss()(z[first], labels[first]) + 3 * loss()(z[~first], labels[~first])
    assert joint(z, labels).item() == pytest.approx(expected.item())
    # auxiliary labels are not set apart from the others
    rotation = torch.linalg.qr(make_embeddings(range(4))[0]).Q
    turned = torch.where(first[:, None], z, z @ rotation)
    assert joint(turned, labels).item() == pytest.approx(expected.item())
    assert loss()(turned, labels).item() != pytest.approx(loss()(z, labels).item())


@pytest.mark.parametrize("loss", LOSSES)
def test_joint_keeps_the_groups_of_the_first_loss(loss):
    z, labels = make_embeddings()
    targets = torch.stack([labels, torch.arange(len(labels)) // 4], dim=1)
    first = labels < 2
    expected = loss()(z[first], targets[first])
    assert loss()(z[first], labels[first]).item() != pytest.approx(expected.item())
    joint = JointContrastiveLoss(loss, n_labels=2, weight=0.0)
    assert joint(z, targets).item() == pytest.approx(expected.item())


def test_joint_parameters_are_of_the_first_loss():
    joint = JointContrastiveLoss(
        SupervisedContrastiveLoss, n_labels=2, weight=1.0, temperature=0.05
    )
    assert (joint.loss.temperature, joint.auxiliary.temperature) == (0.05, 0.2)
