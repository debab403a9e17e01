import math

import pytest
import torch

import frommodel
from frommodel.losses import apply_margin
from occgen.errors import InputError
from occgen.patterns import PatternGrid


def _plain_margin_loss(embedding, weight, labels, s, m1, m2, m3):
    """Eq. 1, sample by sample in double precision."""
    total = 0.0
    for row, label in zip(embedding.double(), labels.tolist(), strict=True):
        cosines = [float(row @ w / (row.norm() * w.norm())) for w in weight.double()]
        theta = math.acos(cosines[label])
        top = math.exp(s * (math.cos(m1 * theta + m2) - m3))
        rest = sum(math.exp(s * c) for j, c in enumerate(cosines) if j != label)
        total -= math.log(top / (top + rest))
    return total / len(labels)


@pytest.mark.parametrize(
    "margins",
    [(1, 0, 0), (1, 0, 0.35), (1, 0.5, 0), (1.35, 0, 0), (0.9, 0.4, 0.15)],
    ids=["softmax", "cosface", "arcface", "sphereface", "combined"],
)
def test_the_margin_loss_is_equation_1(margins):
    generator = torch.Generator().manual_seed(0)
    loss = frommodel.MarginLoss(7, 5, 8.0, *margins, generator=generator)
    embedding = torch.randn(9, 5, generator=generator)
    labels = torch.arange(9) % 7
    weight = loss.weight.detach()
    expected = _plain_margin_loss(embedding, weight, labels, 8.0, *margins)
    assert loss(embedding, labels).item() == pytest.approx(expected, rel=1e-5)
    plain = 8.0 * torch.nn.functional.cosine_similarity(embedding[:, None], weight[None], dim=-1)
    torch.testing.assert_close(loss.logits(embedding), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("m1", "m2"), [(1, 0), (1, 0.5), (4, 0), (3, 0.7), (1, 3.0)])
def test_a_worse_angle_always_costs_more(m1, m2):
    theta = torch.linspace(0.01, math.pi - 0.01, 500, dtype=torch.float64)
    margin = apply_margin(torch.cos(theta), m1, m2, 0.0)
    assert (margin.diff() < 0).all()
    early = m1 * theta + m2 <= math.pi
    torch.testing.assert_close(margin[early], torch.cos(m1 * theta[early] + m2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("margins", [(1, 0, 0.35), (1, 0.5, 0), (4, 0, 0)])
def test_gradients_are_finite_where_cosines_are_one(dtype, margins):
    loss = frommodel.MarginLoss(3, 4, 64.0, *margins)
    with torch.no_grad():
        loss.weight.copy_(torch.eye(3, 4))
    rows = [[1, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 0], [3e4, 0, 0, 0], [0.6, 0.8, 0, 0]]
    embedding = torch.tensor(rows, dtype=dtype).requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(embedding, torch.zeros(5, dtype=torch.int64))
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(loss.weight.grad).all()
    assert torch.isfinite(embedding.grad[[0, 1, 3, 4]].float()).all()
    assert not embedding.grad.isnan().any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 4), "num_identities"),
        ((3, 4, 0), "s must be > 0"),
        ((3, 4, 30, 0), "m1 must be > 0"),
        ((3, 4, 30, 1, -0.1), "m2 must be >= 0"),
        ((3, 4, 30, 1, 0, float("nan")), "m3 must be >= 0"),
    ],
)
def test_margins_are_checked(arguments, message):
    with pytest.raises(InputError, match=message):
        frommodel.MarginLoss(*arguments)


def test_batches_are_checked():
    loss = frommodel.MarginLoss(3, 4)
    with pytest.raises(InputError, match=r"shape \(N, 4\), got \(2, 5\)"):
        loss(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InputError, match=r"int64 of shape \(2,\), got torch.int32"):
        loss(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int32))


def test_pattern_losses_are_equations_4_and_5():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
    expected = 0.0
    for row, label in zip(logits.tolist(), (1, 0), strict=True):
        expected -= math.log(math.exp(row[label]) / sum(map(math.exp, row))) / 2
    loss = frommodel.PatternLoss()
    assert loss(logits, torch.tensor([1, 0])).item() == pytest.approx(expected)
    hard = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert loss(logits, hard).item() == pytest.approx(expected)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    guess = torch.tensor([[0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]])
    regression = frommodel.PatternLoss("regression")
    assert regression(guess, boxes).item() == pytest.approx((0.25 + 5) / 2)
    with pytest.raises(InputError, match=r"shape \(2, 4\) do not fit classification"):
        loss(logits, boxes)
    with pytest.raises(InputError, match=r"shape \(2,\) do not fit regression"):
        regression(guess, torch.tensor([1, 0]))
    with pytest.raises(InputError, match="form must be"):
        frommodel.PatternLoss("boxes")


def test_the_total_weighs_the_pattern_loss():
    identity = frommodel.MarginLoss(3, 4)
    embedding = torch.randn(2, 4, requires_grad=True)
    logits = torch.randn(2, 5, requires_grad=True)
    labels, patterns = torch.tensor([0, 2]), torch.tensor([4, 0])
    losses = frommodel.TotalLoss(identity, frommodel.PatternLoss(), 0.5)(
        embedding, logits, labels, patterns
    )
    assert losses.total.item() == pytest.approx((losses.identity + losses.pattern / 2).item())
    losses.total.backward()
    assert logits.grad.any()
    logits.grad = None
    unsupervised = frommodel.TotalLoss(identity, frommodel.PatternLoss(), 0.0)
    losses = unsupervised(embedding, logits, labels, patterns)
    losses.total.backward()
    assert losses.pattern > 0
    assert logits.grad is None
    alone = frommodel.TotalLoss(identity)(embedding, None, labels, None)
    assert alone.pattern == 0
    with pytest.raises(InputError, match="must bring their targets"):
        unsupervised(embedding, logits, labels, None)
    with pytest.raises(InputError, match="pattern_weight"):
        frommodel.TotalLoss(identity, pattern_weight=-1.0)


def test_soft_targets_share_a_label_among_near_ties():
    grid = PatternGrid(k=3, height=112, width=96)
    boxes = [[0, 0, 0, 0], [0, 0, 48, 74], [5, 5, 90, 100]]
    iou = torch.from_numpy(grid.iou_boxes(boxes))
    soft = frommodel.soft_pattern_targets(iou, 0.05)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(3))
    assert soft[0].tolist() == [1.0] + [0.0] * 36
    assert soft[1:, 0].tolist() == [0.0, 0.0]
    assert soft.argmax(dim=1).tolist() == grid.label_boxes(boxes).tolist()
    first, second = soft[1].topk(2).values.tolist()
    gap = float(iou[1].topk(2).values.diff().abs())
    assert second / first == pytest.approx(math.exp(-gap / 0.05), rel=1e-4)
    hard = frommodel.soft_pattern_targets(iou, 1e-4)
    torch.testing.assert_close(hard[2].max(), torch.tensor(1.0))
    with pytest.raises(InputError, match="temperature"):
        frommodel.soft_pattern_targets(iou, 0.0)
    with pytest.raises(InputError, match="shape"):
        frommodel.soft_pattern_targets(iou[0])
