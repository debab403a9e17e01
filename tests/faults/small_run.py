"""`main` of a training run on pictures of 32x32, which no size of `from-train` is small enough for.

It is what `from-train --resume` does after it has read its options, errors in one line included.
"""

from pathlib import Path

import click
from occgen_cli.boundary import command

from frommodel.config import ModelConfig
from frommodel.faces import open_faces
from frommodel.mixture import Mixture
from frommodel.recipes import recipe
from frommodel.train import RunOptions, train


@command("small-run", "small-run FACES OUT")
@click.argument("faces", type=Path)
@click.argument("out", type=Path)
def main(faces, out):
    """Train four steps."""
    model = ModelConfig(
        backbone="ir10_small", k=3, height=32, width=32, embedding_size=16, dropout=0.3
    )
    config = recipe(
        "from-compact", model=model, epochs=2, batch_size=8, learning_rate=0.05, categories=("cup",)
    )
    mixture, held = Mixture([open_faces(faces)]).hold_out(0.4, 3)
    options = RunOptions(workers=0, threads=1, device="cpu", save_every=1)
    train(config, mixture, out, validation=held, options=options, resume=True)
