"""One optimiser step: network, losses, mixed precision, accumulation, ranks."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from occgen.errors import CheckpointError, InputError

from .checkpoint import initialise_from, load
from .config import TrainConfig
from .data import to_nchw
from .loader import Batch
from .losses import MarginLoss, PatternLoss, TotalLoss, soft_pattern_targets
from .network import FROM
from .ranks import Ranks
from .sharded import ShardedMarginLoss

__all__ = ["StepResult", "Stepper"]

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class StepResult(NamedTuple):
    """Means over the images of a step, on all ranks.

    Parameters
    ----------
    loss, identity_loss, pattern_loss, teacher_loss : float
        The total and its parts, those without their weights.
    pattern_accuracy : float
        Share of images whose pattern is predicted right, or mean IoU of the regressed box.
    """

    loss: float
    identity_loss: float
    pattern_loss: float
    teacher_loss: float
    pattern_accuracy: float

    @property
    def is_finite(self) -> bool:
        """Whether training can go on."""
        return all(value - value == 0 for value in self)


class Stepper:
    """Network, classifier and optimiser of a training.

    Parameters
    ----------
    config : TrainConfig
    num_identities : int
    ranks : Ranks

    Raises
    ------
    InputError, CheckpointError
        For weights to start from, or a teacher, that do not fit.
    """

    def __init__(self, config: TrainConfig, num_identities: int, ranks: Ranks) -> None:
        self.config, self.ranks = config, ranks
        generator = torch.Generator().manual_seed(config.seed)
        model = config.model
        if model.predictor == "regression":  # what the checkpoint says of its boxes
            model = dataclasses.replace(model, box_unit=config.box_unit)
        self.model = FROM.from_config(model, generator)
        if config.init is not None:
            initialise_from(self.model, config.init)
        self.model.train()
        self._move(self.model)
        self.identity: MarginLoss | ShardedMarginLoss = self._classifier(num_identities, generator)
        self.identity.to(ranks.device)
        self.teacher = self._open_teacher()
        network: nn.Module = self.model
        classifier: nn.Module = self.identity
        self._parallel: list[DistributedDataParallel] = []
        if ranks.world_size > 1:
            network = DistributedDataParallel(self.model)
            self._parallel.append(network)
            if isinstance(self.identity, MarginLoss):
                classifier = DistributedDataParallel(self.identity)
                self._parallel.append(classifier)
        self._network: Any = torch.compile(network) if config.compile else network
        form = config.model.predictor
        pattern = None if form == "none" else PatternLoss(form)
        self.losses = TotalLoss(classifier, pattern, config.pattern_weight)
        parameters = [*self.model.parameters(), *self.identity.parameters()]
        self.optimizer = torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
        half = config.precision == "float16"
        if half and ranks.world_size > 1 and config.classifier == "sharded":
            raise InputError(
                "precision float16 does not go with a sharded classifier; use bfloat16"
            )
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=half)

    def _move(self, model: FROM) -> None:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        model.to(self.ranks.device, memory_format=layout)  # type: ignore[call-overload]

    def _classifier(
        self, num_identities: int, generator: torch.Generator
    ) -> MarginLoss | ShardedMarginLoss:
        c = self.config
        margins: dict[str, Any] = {
            "s": c.s,
            "m1": c.m1,
            "m2": c.m2,
            "m3": c.m3,
            "generator": generator,
        }
        size = c.model.embedding_size
        if c.classifier == "full":
            return MarginLoss(num_identities, size, **margins)
        fraction = c.negative_fraction
        return ShardedMarginLoss(
            num_identities, size, negative_fraction=fraction, seed=c.seed, **margins
        )

    def _open_teacher(self) -> FROM | None:
        if self.config.teacher is None:
            return None
        teacher = load(self.config.teacher)
        own, other = self.config.model, teacher.config
        for name in ("embedding_size", "height", "width"):
            if getattr(own, name) != getattr(other, name):
                raise CheckpointError(
                    f"{self.config.teacher}: a teacher with {name} {getattr(other, name)} does not "
                    f"fit a network with {getattr(own, name)}; give the network the teacher's"
                )
        self._move(teacher)
        return teacher.requires_grad_(False)

    def step(self, parts: Sequence[Batch], rate: float, number: int) -> StepResult:
        """Take a step, unless its loss is no number.

        Parameters
        ----------
        parts : sequence of Batch
            `config.accumulate` of them, of one size.
        rate : float
            Learning rate.
        number : int
            Of the step: dropout hangs on the seed, it and the rank alone.

        Returns
        -------
        StepResult
            Where it is not finite, weights are as they were.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        sums = torch.zeros(len(StepResult._fields), device=self.ranks.device)
        for place, part in enumerate(parts):
            self._seed(number, place)
            last = place == len(parts) - 1
            with contextlib.ExitStack() as stack:
                if not last:
                    for module in self._parallel:
                        stack.enter_context(module.no_sync())
                total, values = self._forward(part)
                self.scaler.scale(total / len(parts)).backward()
            sums += values / len(parts)
        result = StepResult(*self.ranks.mean(sums).tolist())
        if not result.is_finite:
            with torch.no_grad():
                for buffer, before in zip(self.model.buffers(), buffers, strict=True):
                    buffer.copy_(before)
            return result
        if self.config.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            clipped = list(self.model.parameters())
            if isinstance(self.identity, MarginLoss):  # centres of other ranks are not at hand
                clipped += list(self.identity.parameters())
            nn.utils.clip_grad_norm_(clipped, self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return result

    def _seed(self, number: int, place: int) -> None:
        text = f"{self.config.seed} {number} {place} {self.ranks.rank}"
        torch.manual_seed(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))
        if isinstance(self.identity, ShardedMarginLoss):
            self.identity.reseed(number * self.config.accumulate + place)

    def _forward(self, part: Batch) -> tuple[Tensor, Tensor]:
        """Return the total loss, and what `StepResult` holds of it."""
        config, device = self.config, self.ranks.device
        images = to_nchw(part.pixels.to(device, non_blocking=True))
        if not config.channels_last:
            images = images.contiguous()
        labels = part.identities.to(device, non_blocking=True)
        patterns = part.patterns.to(device, non_blocking=True)
        boxes = part.boxes.to(device, non_blocking=True)
        half = _DTYPES.get(config.precision)
        with torch.autocast(device.type, dtype=half, enabled=half is not None):
            output = self._network(images)
            taught = self._teach(part)
        targets = self._targets(part, patterns, boxes)
        losses = self.losses(output.embedding, output.pattern_logits, labels, targets)
        total = losses.total
        teacher_loss = torch.zeros((), device=device)
        if taught is not None:
            cosine = F.cosine_similarity(output.embedding.float(), taught.float())
            distance = (1.0 - cosine).mean()
            total = total + config.teacher_weight * distance
            teacher_loss = distance.detach()
        right = self._pattern_accuracy(output.pattern_logits, patterns, boxes)
        values = [total.detach(), losses.identity, losses.pattern, teacher_loss, right]
        return total, torch.stack([value.float() for value in values])

    def _teach(self, part: Batch) -> Tensor | None:
        if self.teacher is None or part.clean is None:
            return None
        with torch.no_grad():
            return self.teacher.embed(to_nchw(part.clean.to(self.ranks.device, non_blocking=True)))

    def _targets(self, part: Batch, patterns: Tensor, boxes: Tensor) -> Tensor | None:
        form = self.config.model.predictor
        if form == "none":
            return None
        if form == "regression":
            return boxes.float() / self._sides(boxes.device)
        if part.ious is not None and self.config.soft_patterns is not None:
            return soft_pattern_targets(part.ious.to(patterns.device), self.config.soft_patterns)
        return patterns

    def _sides(self, device: torch.device) -> Tensor:
        """Return what a box in pixels is divided by."""
        model = self.config.model
        if self.config.box_unit == "pixel":
            return torch.ones(4, device=device)
        return torch.tensor([model.width, model.height] * 2, device=device).float()

    def _pattern_accuracy(self, logits: Tensor | None, patterns: Tensor, boxes: Tensor) -> Tensor:
        if logits is None:
            return torch.zeros((), device=patterns.device)
        if self.config.model.predictor == "classification":
            return (logits.detach().argmax(1) == patterns).float().mean()
        found = logits.detach().float() * self._sides(boxes.device)
        return _mean_iou(found, boxes.float())

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on; on every rank."""
        classifier = self.identity.weight.detach()
        momentum = self.optimizer.state.get(self.identity.weight, {}).get("momentum_buffer")
        if isinstance(self.identity, ShardedMarginLoss):
            classifier = self.identity.gather_rows(classifier)
            momentum = None if momentum is None else self.identity.gather_rows(momentum)
        buffers = {}
        for name, parameter in self.model.named_parameters():
            found = self.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if found is not None:
                buffers[name] = found.detach().cpu().contiguous()
        return {
            "model": {
                name: t.detach().cpu().contiguous() for name, t in self.model.state_dict().items()
            },
            "momentum": buffers,
            "classifier": classifier.cpu(),
            "classifier_momentum": None if momentum is None else momentum.detach().cpu(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises
        ------
        CheckpointError
            When it is of another network.
        """
        try:
            self.model.load_state_dict(state["model"])
            with torch.no_grad():
                self.identity.weight.copy_(self._own(state["classifier"]))
            for name, parameter in self.model.named_parameters():
                if name in state["momentum"]:
                    buffer = torch.empty_like(parameter).copy_(state["momentum"][name])
                    self.optimizer.state[parameter]["momentum_buffer"] = buffer
            if state["classifier_momentum"] is not None:
                buffer = torch.empty_like(self.identity.weight)
                buffer.copy_(self._own(state["classifier_momentum"]))
                self.optimizer.state[self.identity.weight]["momentum_buffer"] = buffer
            if self.scaler.is_enabled():
                self.scaler.load_state_dict(state["scaler"])
        except (KeyError, RuntimeError, TypeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise CheckpointError(f"the training state is of another network ({reason})") from error

    def start_classifier(self, centres: Tensor) -> None:
        """Start from the centres of an earlier training with the same identities."""
        with torch.no_grad():
            self.identity.weight.copy_(self._own(centres))

    def _own(self, rows: Tensor) -> Tensor:
        if isinstance(self.identity, ShardedMarginLoss):
            return rows[self.identity.start : self.identity.stop]
        return rows


def _mean_iou(found: Tensor, boxes: Tensor) -> Tensor:
    """Return the mean IoU over occluded images, 0 where there are none."""
    occluded = boxes[:, 2] > boxes[:, 0]
    low = torch.maximum(found[:, :2], boxes[:, :2])
    high = torch.minimum(found[:, 2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (found, boxes)]
    iou = shared / (areas[0] + areas[1] - shared).clamp(min=1e-10)
    return (iou * occluded).sum() / occluded.sum().clamp(min=1)
