"""Write labels.json: pattern labels by the plain definition, which does not use occgen.

Run it from anywhere; the file is written beside this script and holds its previous bytes.
"""

import json
import random
from pathlib import Path


def patterns_of(k: int, height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Return the patterns of a K x K grid in order, the clean one first."""
    xs = [int(line * (width / k)) for line in range(k)] + [width]
    ys = [int(line * (height / k)) for line in range(k)] + [height]
    patterns = [(0, 0, 0, 0)]
    for top in range(k):
        for left in range(k):
            for bottom in range(top + 1, k + 1):
                for right in range(left + 1, k + 1):
                    patterns.append((xs[left], ys[top], xs[right], ys[bottom]))
    return patterns


def label_of(box: tuple[int, int, int, int], patterns: list[tuple[int, int, int, int]]) -> int:
    """Return the first pattern of largest intersection / (union + 1e-10)."""
    x0, y0, x1, y1 = box
    best, label = 0.0, 0
    for number, (px0, py0, px1, py1) in enumerate(patterns):
        shared = max(0, min(x1, px1) - max(x0, px0)) * max(0, min(y1, py1) - max(y0, py0))
        union = (x1 - x0) * (y1 - y0) + (px1 - px0) * (py1 - py0) - shared
        score = shared / (union + 1e-10)
        if score > best:
            best, label = score, number
    return label


def main() -> None:
    """Write the file."""
    generator = random.Random(100)
    cases = []
    for k in (3, 4, 5, 6):
        for height, width in ((112, 96), (112, 112)):
            boxes = [(0, 0, 0, 0), (0, 0, width, height), (2, 6, 86, 102), (38, 73, 57, 97)]
            for _ in range(40):
                x0, x1 = sorted(generator.randint(0, width) for _ in range(2))
                y0, y1 = sorted(generator.randint(0, height) for _ in range(2))
                boxes.append((x0, y0, x1, y1) if x1 > x0 and y1 > y0 else (0, 0, 0, 0))
            patterns = patterns_of(k, height, width)
            labels = [label_of(box, patterns) for box in boxes]
            case = {"k": k, "height": height, "width": width, "boxes": boxes, "labels": labels}
            cases.append(case)
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = f'{{"cases": [\n{lines}\n]}}\n'
    (Path(__file__).parent / "labels.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
