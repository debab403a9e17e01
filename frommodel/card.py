"""A run's model card: what was trained on what, how, with which result; plain Markdown."""

from typing import Any

from .config import TrainConfig
from .flops import describe

__all__ = ["model_card"]


def model_card(
    config: TrainConfig, record: dict[str, Any], scores: tuple[float, float] | None
) -> str:
    """Return the card of a finished training.

    Parameters
    ----------
    config : TrainConfig
    record : dict
        As in ``run.json``.
    scores : tuple of float or None
        Validation accuracy of the last weights, clean and occluded.

    Returns
    -------
    str
    """
    model = config.model
    size = describe(model)["ours"]
    mask = "no mask" if model.mask == "none" else f"a {model.mask} mask"
    predictor = {
        "none": "no pattern predictor",
        "classification": f"{model.num_outputs} occlusion patterns (K = {model.k})",
        "regression": "a regressed occlusion box",
    }[model.predictor]
    lines = [
        f"# Model card: {config.recipe}",
        "",
        "## Model",
        f"- Network: {model.backbone}, {mask}, {predictor}, {model.embedding_size}-d embedding.",
        f"- Size: {size['parameters'] / 1e6:.2f} M parameters, {size['flops'] / 1e9:.2f} GFLOPs.",
        f"- Input: RGB aligned crops of {model.height}x{model.width} (height x width), five-point "
        "similarity alignment, pixels in [-1, 1].",
        "",
        "## Training",
        f"- Data: {_data(record)}; {record['identities']} identities, "
        f"{record['images_per_epoch']} images an epoch.",
        f"- Licence of the pictures: {record.get('licence') or 'as their owners have it'}",
        f"- Occlusion: {_occlusion(config, record)}",
        f"- Schedule: {config.epochs} epochs, batches of {config.batch_size}, learning rate "
        f"{config.learning_rate:g} ({config.schedule}), seed {config.seed}, {config.precision}.",
        f"- Losses: margin softmax (s {config.s:g}, m1 {config.m1:g}, m2 {config.m2:g}, "
        f"m3 {config.m3:g}); pattern loss x {config.pattern_weight:g}"
        + (
            f"; teacher {config.teacher}, 1 - cosine x {config.teacher_weight:g}"
            if config.teacher
            else ""
        )
        + ".",
        f"- Started from: {config.init or 'random weights'}.",
        f"- Versions: {', '.join(f'{k} {v}' for k, v in record['versions'].items())}.",
    ]
    if record.get("command"):
        lines += ["", f"    {record['command']}"]
    lines += ["", "## Results"]
    if scores is None:
        lines.append("- Not validated while training; `from-eval` scores it on a protocol.")
    else:
        lines.append(
            f"- Pairs of people not trained on, ten folds: clean {scores[0]:.2%}, second picture "
            f"occluded at scale 2.0 {scores[1]:.2%}. The same pairs chose `best.safetensors`."
        )
    lines += [
        "",
        "## Limits",
        "- Verified only as written above. Accuracy by age, sex and skin is not measured here; "
        "measure it on people like those it shall be used for.",
        "- It compares faces that are given as aligned crops; it detects none and tells no "
        "photograph from a living person.",
        "",
    ]
    return "\n".join(lines)


def _data(record: dict[str, Any]) -> str:
    data = record.get("data") or {}
    roots = (*(data.get("roots") or ()), *[None] * len(data.get("data") or ()))
    named = zip(data.get("data") or ("faces given by a program",), roots, strict=False)
    return ", ".join(name if root is None else f"{name} ({root})" for name, root in named)


def _occlusion(config: TrainConfig, record: dict[str, Any]) -> str:
    if config.occlude is None:
        return "none drawn while training."
    library = (record.get("occluder_library") or "")[:12]
    return (
        f"drawn anew each epoch, scale {config.occlude}, {config.placement} placement, "
        f"{config.blend} blending, {config.clean_fraction:.0%} left clean; occluders "
        f"{config.occluders} (sha256 {library})."
    )
