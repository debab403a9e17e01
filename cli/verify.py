"""`occgen verify`: every byte, picture and label of a finished set again."""

import json
from pathlib import Path

import click

from occgen.storage import is_remote

from .boundary import command
from .options import existing_path, jobs_option, json_option
from .wording import counted

__all__ = ["verify_command"]

_SHOWN = 20


@command("verify", "occgen verify Occ-Demo-2.0")
@click.argument("path", type=existing_path(file=False, remote=True))
@click.option("--repair", is_flag=True, help="Make anew what is broken, and only that.")
@click.option("--root", metavar="DIR", help="Where the source lies now, for --repair.")
@click.option("--occluders", metavar="DIR", help="Where own occluders lie now, for --repair.")
@click.option(
    "--recipe", type=existing_path(folder=False), help="What the set was made from, for --repair."
)
@jobs_option
@json_option
def verify_command(
    path: Path,
    repair: bool,
    root: str | None,
    occluders: str | None,
    recipe: Path | None,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Check a finished set: checksums, every picture, mask, box and label."""
    from occgen import verify as checks
    from occgen.manifest import MANIFEST
    from occgen.repair import repair as mend

    if repair and is_remote(path):
        raise click.UsageError("--repair needs a local set; in object storage build it again")
    findings = checks.verify(path, jobs)
    repaired = False
    is_other = any(finding[:3] == (MANIFEST, None, "schema") for finding in findings)
    if findings and repair and not is_other:
        for finding in findings[:_SHOWN]:
            click.echo(str(finding), err=True)
        mend(path, root, jobs, occluders=occluders, recipe=recipe)
        findings, repaired = checks.verify(path, jobs), True
    if as_json:
        record = {
            "ok": not findings,
            "repaired": repaired,
            "findings": [finding._asdict() for finding in findings],
        }
        click.echo(json.dumps(record))
        return 1 if findings else 0
    for finding in findings[:_SHOWN]:
        click.echo(str(finding))
    total = sum(finding.times for finding in findings)
    if len(findings) > _SHOWN:
        rest = findings[_SHOWN:]
        fields = ", ".join(sorted({finding.field for finding in rest}))
        click.echo(f"and {sum(finding.times for finding in rest)} more, of {fields}")
    if not findings:
        click.echo(
            f"{path} is {'repaired and ' if repaired else ''}whole: every byte, picture "
            "and label is as it was made"
        )
        return 0
    if is_other:
        problem = "is of another version of occgen and was not checked"
        advice = "make the set again (--overwrite), or check it with the version that made it"
    else:
        problem = f"is damaged: {counted(total, 'finding')}"
        advice = f"occgen verify {path} --repair makes what is broken anew"
        if is_remote(path):
            advice = "remove what is broken and the manifest, and build again"
    click.echo(f"Error: {path} {problem}; {advice}", err=True)
    return 1
