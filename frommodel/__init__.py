"""The FROM network: training, published weights, metrics and protocols.

A face recogniser that learns, from the occlusion pattern of each training face, a mask which
cleans the features an occluder corrupts. Nothing is imported until a name is used, and torch only
by the names that need it: configurations and metrics do not.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "CheckpointError": "occgen.errors",
    "InputError": "occgen.errors",
    "BatchMaker": "frommodel.loader",
    "FaceDataset": "frommodel.face_datasets",
    "FaceStream": "frommodel.face_datasets",
    "Mixture": "frommodel.mixture",
    "open_faces": "frommodel.faces",
    "ModelConfig": "frommodel.config",
    "TrainConfig": "frommodel.config",
    "recipe": "frommodel.recipes",
    "RECIPES": "frommodel.recipes",
    "BACKBONES": "frommodel.architectures",
    "FROM": "frommodel.network",
    "FROMOutput": "frommodel.network",
    "describe": "frommodel.flops",
    "load": "frommodel.checkpoint",
    "save": "frommodel.checkpoint",
    "MarginLoss": "frommodel.losses",
    "PatternLoss": "frommodel.losses",
    "TotalLoss": "frommodel.losses",
    "soft_pattern_targets": "frommodel.losses",
    "ShardedMarginLoss": "frommodel.sharded",
    "balanced_pattern_weights": "frommodel.balancing",
    "VerificationReport": "frommodel.metrics",
    "tar_at_far": "frommodel.metrics",
    "verification_accuracy": "frommodel.metrics",
    "verification_report": "frommodel.metrics",
    "embed_images": "frommodel.embed",
    "embed_dataset": "frommodel.embedding_file",
    "read_embeddings": "frommodel.embedding_file",
    "Embedder": "frommodel.models",
    "open_model": "frommodel.models",
    "EvalConfig": "frommodel.eval_config",
    "Evaluation": "frommodel.results",
    "evaluate": "frommodel.evaluation",
    "search_gallery": "frommodel.search",
    "rank_probes": "frommodel.identification",
    "compare_paired": "frommodel.comparison",
    "read_pairs": "frommodel.pairs",
    "OccludedFaces": "frommodel.datasets",
    "OccludedFaceStream": "frommodel.datasets",
    "RankSampler": "frommodel.datasets",
    "export_model": "frommodel.export",
    "ExportReport": "frommodel.export",
    "OnnxModel": "frommodel.onnx_model",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'frommodel' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
