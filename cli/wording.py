"""Words of what commands say."""

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: 1 shard, 2 shards, 1 identity, 2 identities."""
    many = f"{noun[:-1]}ies" if noun.endswith("ty") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"
