"""How long a command takes to say what it does, of which the interpreter alone.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time


def seconds(code: str, *arguments: str) -> float:
    """Return seconds until a fresh interpreter has run some code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    run = "import sys; from occgen_cli.main import main; main(sys.argv[1:])"
    print("| command | min s | median s | max s | goal |\n| --- | --- | --- | --- | --- |")
    for name, code, arguments, goal in (
        ("the interpreter", "", [], ""),
        ("occgen --help", run, ["--help"], "<= 0.5"),
        ("occgen build --help", run, ["build", "--help"], "<= 0.5"),
    ):
        found = [seconds(code, *arguments) for _ in range(15)]
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
