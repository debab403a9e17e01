"""Hair of a drawn person: on the head, brows, beard."""

import numpy as np
from numpy.typing import NDArray

from .demo_canvas import Canvas, Window, axes, hill, loft, noise, slopes, smooth, step
from .demo_person import Person

__all__ = ["lay_beard", "lay_brows", "lay_hair_behind", "lay_hair_front"]

Float32 = NDArray[np.float32]

_VOLUME = {"crop": 0.3, "receding": 0.4, "tied": 0.35, "short": 0.8, "curly": 1.7, "swept": 1.3}
_RAGGED = {"fringe": 1.2, "curly": 1.6, "crop": 0.5, "short": 0.8}
_SOFT = {"crop": 3.2, "receding": 3.5, "tied": 2.2, "short": 2.4, "fringe": 2.6}
_MIDDLE = -8.0


def lay_hair_behind(canvas: Canvas, p: Person) -> None:
    """Lay what hangs behind the face."""
    if p.style not in ("long", "bob"):
        return
    u, v = axes()
    end = 200.0 if p.style == "long" else 36 + 18 * p.length
    wide = p.temple + 4 + 1.1 * p.volume + smooth(v, -10, 40) * (3 + 6 * p.length)
    if p.style == "bob":
        wide = wide * np.sqrt(np.clip(1 - np.square(np.clip((v - end + 18) / 20, 0, 1)), 0, 1))
    wide = wide + p.wave * 2.5 * np.sin((v * 0.16 + p.grain[2]).astype(np.float64))
    a = np.abs(u)
    share = step(np.asarray(wide - a, np.float32), 1.6) * step(v - _MIDDLE + 4, 8)
    strands = _strands(p, a + 40 * (u > 0), v + 0 * u)
    shade = 0.72 + 0.2 * np.maximum(strands, -2.5)
    colour = [tone * shade for tone in p.hair]
    sides = np.clip(-0.9 * np.sign(u) * (a / 45) ** 2 + 0.25 * strands, -2, 2)
    seen = 0.35 + 0.5 * smooth(a, p.jaw - 6, p.jaw + 12)
    part = Window(-64, -64, 64, 80)
    canvas.over(part, np.asarray(share, np.float32), colour, (sides, 0.1, seen, 0.6 * p.gloss))


def lay_hair_front(canvas: Canvas, p: Person) -> Float32:
    """Lay the hair about the forehead and temples; return how high it stands off the head."""
    raised: Float32 = np.zeros(canvas.colour.shape[1:], np.float32)
    if p.style == "bald":
        return raised
    part = Window(-64, -64, 64, 80 if p.style in ("long", "bob") else 24)
    u, v = part.u, part.v
    volume = p.volume * _VOLUME.get(p.style, 1.0)
    a = np.abs(u)
    wide = p.temple + 1.6 + 0.75 * volume
    tall = _MIDDLE - p.crown_v + volume
    up = np.maximum(_MIDDLE - v, 0) / tall
    radius = np.sqrt(np.square(a / wide) + up * up * (0.75 + 0.25 * up * up))
    curly = p.style == "curly"
    grain = "blob" if curly else "strand"
    rough = noise(grain, p.grain[3], *part.shape) * np.float32(1.3 if curly else 0.35)
    outer = step((1 - radius) * wide + rough, 2.2 if curly else 1.9)
    line = _hairline(p, u)
    edge = noise(grain, p.grain[4], *part.shape) * np.float32(_RAGGED.get(p.style, 0.6))
    slant = np.zeros_like(line)
    slant[:, 1:-1] = (line[:, 2:] - line[:, :-2]) * np.float32(0.75)
    inner = (line + edge - v) / np.sqrt(1 + np.minimum(slant * slant, 16))
    share = outer * step(inner, _SOFT.get(p.style, 2.6))
    if p.style in ("crop", "receding"):
        share = share * np.float32(0.88)
    strands = _strands(p, *_directions(p, u, v, radius * wide))
    shade = np.maximum(1 + 0.19 * strands, 0.15) * (0.72 + 0.28 * smooth(inner, 0, 7))
    dome = 30 * np.sqrt(np.maximum(1.02 - np.square(np.minimum(radius, 1)), 0.03))
    across, down = slopes(dome + np.float32(0.16) * strands, 2.0)
    gloss = np.maximum(p.gloss * (0.75 + 0.45 * strands), 0)
    canvas.over(part, share, [tone * shade for tone in p.hair], (across, down, 1.0, gloss))
    raised[part.where] = share * (1.2 + 0.5 * volume) * smooth(inner, 0, 3)
    return raised


def _hairline(p: Person, u: Float32) -> Float32:
    """Return down to which v hair reaches in each column, (1, COLUMNS)."""
    top, back = p.hairline, p.recede
    edge = p.temple
    burn = 8.0 if p.man else 2.0
    side = [(edge - 5.0, -19.0), (edge - 2.2, -8.0), (edge - 0.6, burn), (edge + 6, burn + 4)]
    style = p.style
    a = np.abs(u)
    if style == "receding":
        top, back = top - 9, back + 7
    if style in ("long", "bob"):
        shift = u - 0.7 * p.part
        hang = np.abs(shift) + 0.12 * shift * np.sign(p.part)
        loose = p.length * 3
        low = [(edge - 6 + loose, 0.0), (edge - 3.0 + loose, 26.0), (edge - 1.0 + loose, 70.0)]
        if p.wave > 0.8:  # tucked behind the ears
            low = [(edge - 4.5, -12.0), (edge - 1.5, 4.0), (edge + 2.5, 10.0), (edge + 4, 70.0)]
        return loft(hang, [(0.0, top - 1), (9.0, top + 2.5), (19.0, top + 9), *low])
    if style == "fringe":
        end = -19.0 + 4 * p.length
        cut = [(0.0, end), (12.0, end - 0.5), (edge - 9, end + 1.5), (edge - 5, end + 5)]
        lean = np.float32(0.12) * u * np.sign(p.part)
        return np.asarray(loft(a, cut + side[1:]) + lean * hill(u, 24), np.float32)
    if style == "swept":
        lean = smooth(u * np.sign(p.part + 0.01), 16, -20) * np.float32(4 + 5 * p.length)
        line = loft(a, [(0.0, top + p.peak), (12.0, top), (21.0, top + 1.5 - back), *side])
        return np.asarray(line + lean * hill(u, 22), np.float32)
    line = loft(a, [(0.0, top + 1.4 * p.peak), (9.0, top), (20.0, top + 2 - back), *side])
    return line


def _directions(p: Person, u: Float32, v: Float32, ring: Float32) -> tuple[Float32, Float32]:
    """Return coordinates across and along the strands."""
    if p.style in ("long", "bob"):
        return ring + 40 * (u > 0.7 * p.part), v + np.abs(u)
    if p.style == "fringe":
        return u * (1 + 0.006 * (v + 50)), v + 0 * u
    if p.style == "swept":
        way = np.sign(p.part + 0.01)
        return 0.75 * v + way * 0.5 * u + 0.006 * u * u, u + 0 * v
    return u * 60 / (np.abs(v - 12) + 24), v + 0 * u


def _strands(p: Person, across: Float32, along: Float32) -> Float32:
    """Return streaks of mean 0 and deviation 1 along the hair."""
    side = 512
    kind = "blob" if p.style == "curly" else "strand"
    tile = noise(kind, 0, side, side)
    column = (across * np.float32(2.3) + p.grain[5]).astype(np.int32) & (side - 1)
    row = (along * np.float32(1.5) + p.grain[6]).astype(np.int32) & (side - 1)
    return np.asarray(tile[row, column], np.float32)


def lay_brows(canvas: Canvas, p: Person) -> None:
    """Lay both brows, not quite alike."""
    for side in (-1, 1):
        part = Window(*((0, -24, 38, 4) if side > 0 else (-38, -24, 0, 4)))
        t = (part.u * side - p.brow_gap) / (2 * p.brow_half)
        level = p.brow_v + side * p.lean[0] + 1.0 - 20 * p.brow_tilt * (t - 0.4)
        peak = np.clip(t, 0, 1.2)
        level = level - (p.brow_arch + 1.2) * (1.9 * peak - 1.45 * peak * peak)
        thick = p.brow_thick * (0.9 + 0.4 * t - 0.9 * t * t * t) * smooth(t, -0.08, 0.10)
        thick = np.where((t > -0.1) & (t < 1.04), thick, 0)
        off = np.abs(part.v - level) / np.maximum(thick, 0.05)
        grain = noise("strand", p.grain[7] + side, *part.shape)
        share = smooth(off - 0.06 * grain, 1.35, 0.5) * (thick > 0) * smooth(t, 1.06, 0.8)
        share = share * np.float32(p.brow_dense) * np.clip(0.92 + 0.07 * grain, 0, 1)
        canvas.paint(part, np.asarray(share, np.float32), p.brow.tolist())


def lay_beard(canvas: Canvas, p: Person, widths: Float32) -> None:
    """Lay beard, moustache and the shadow of a shaved one."""
    amount = max(p.beard, p.moustache, p.goatee)
    if amount == 0 and p.stubble < 0.03:
        return
    part = Window(-40, 0, 40, 70)
    u, v = part.u, part.v
    a = np.abs(u)
    wide = widths[part.where[0]]
    # the cheek's edge rises from the moustache to the sideburn
    edge = p.beard_edge + 19 - 0.024 * a * a - 0.25 * a
    cheeks = smooth(v - edge, -1.5, 4.5)
    bare = 1 - hill(u, p.mouth_half + 3.5) ** 2 * smooth(v, p.mouth_v - 1.5, p.mouth_v - 5)
    whole = cheeks * bare * smooth(wide + 2.5 - a, 0, 2)
    level = p.mouth_v - p.lip_top - 2.6 + 0.010 * a * a
    upper = smooth(np.abs(v - level), 3.2, 1.4) * smooth(a, p.mouth_half + 3, p.mouth_half - 4)
    upper = upper * (1 - 0.5 * hill(u, 1.2))
    around = np.sqrt(np.square(u / (p.mouth_half + 3.0)) + np.square((v - p.mouth_v - 7) / 13))
    chin = smooth(around, 1.08, 0.9) * smooth(v, p.mouth_v - 4, p.mouth_v + 2)
    share = np.maximum(p.beard * whole, np.maximum(p.moustache * upper, p.goatee * chin))
    grain = noise("fine", p.grain[2], *part.shape) + 0.5 * noise("cloud", p.grain[1], *part.shape)
    shadow = np.float32(p.stubble) * np.maximum(whole, np.maximum(upper, chin))
    canvas.tint(part, np.asarray(shadow, np.float32), (0.42, 0.45, 0.50))
    share = np.minimum(np.maximum(share * (0.98 + 0.05 * grain), 0), 0.96)
    shade = np.maximum(0.8 + 0.10 * grain, 0.15)
    canvas.paint(part, np.asarray(share, np.float32), [tone * shade for tone in p.hair])
