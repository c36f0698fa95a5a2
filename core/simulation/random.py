"""Random numbers from an explicit state, one per event: xoshiro256+ seeded through splitmix64.

Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021),
and Steele, Lea and Flood, OOPSLA 2014 (splitmix64). `state` is always (4,) uint64, changed in place.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from .compiled import Array, allocating, compiled, inlined

_TABLE = 4096
# Standard normal quantiles at the middle of 4096 equal shares of probability; |g| < 3.7. In single
# precision, so that the table stays in the processor's nearest cache.
QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / _TABLE) for i in range(_TABLE)])
QUANTILES = (QUANTILES / QUANTILES.std()).astype(np.float32)

_LAYERS, _TAIL, _AREA = 256, 7.69711747013104972, 3.9496598225815571993e-3


def _ziggurat() -> Array:
    """Right edges of layers of equal area under exp(-x), (_LAYERS + 1,); the first holds the tail."""
    edges = [_AREA * math.exp(_TAIL), _TAIL]
    while len(edges) < _LAYERS:
        edges.append(-math.log(math.exp(-edges[-1]) + _AREA / edges[-1]))
    return np.array([*edges, 0.0])


EDGES = _ziggurat()

_GOLDEN, _MIX1, _MIX2 = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_MASK = (1 << 64) - 1


def seeded(seed: int, event: int, stage: int = 0) -> Array:
    """State (4,) uint64 for one stage of one event: a function of the three numbers alone."""
    return _seeded(np.uint64(seed & _MASK), np.uint64(event & _MASK), np.uint64(stage & _MASK))


@allocating
def _seeded(seed: np.uint64, event: np.uint64, stage: np.uint64) -> Array:
    word = _splitmix(_splitmix(_splitmix(seed) ^ event) ^ stage)
    state = np.empty(4, np.uint64)
    for i in range(4):
        word += _GOLDEN
        state[i] = _splitmix(word)
    return state


@compiled
def _splitmix(word: np.uint64) -> np.uint64:
    word += _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _MIX1
    word = (word ^ (word >> np.uint64(27))) * _MIX2
    return word ^ (word >> np.uint64(31))


@compiled
def bits(state: Array) -> int:
    """Next 53 random bits as a whole number, and the state moves on."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    result = s0 + s3
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    state[0], state[1], state[2] = s0, s1, s2
    state[3] = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    return np.int64(result >> np.uint64(11))  # type: ignore[return-value] # a plain int, compiled


@compiled
def uniform(state: Array) -> float:
    """Uniform number in [0, 1)."""
    return bits(state) * (1.0 / 9007199254740992.0)


@inlined
def exponential(state: Array) -> float:
    """Exponential number of mean one, 99 times in 100 without a logarithm.

    Source: Marsaglia and Tsang, "The ziggurat method", J. Stat. Software 5 (2000) 8.
    """
    layer, x = _below(state)
    return x if x < EDGES[layer + 1] else _beyond(state, layer, x)


@inlined
def _below(state: Array) -> tuple[int, float]:
    """A layer of the ziggurat and a place in it."""
    word = bits(state)
    layer = word & (_LAYERS - 1)
    return layer, (word >> 8) * 2.0**-45 * EDGES[layer]


@compiled
def _beyond(state: Array, layer: int, x: float) -> float:
    """Exponential number where `x` in `layer` is not surely below the curve."""
    while x >= EDGES[layer + 1]:
        if layer == 0:
            return _TAIL - math.log(1.0 - uniform(state))
        low, high = math.exp(-EDGES[layer]), math.exp(-EDGES[layer + 1])
        if low + (high - low) * uniform(state) < math.exp(-x):
            break
        layer, x = _below(state)
    return x


@compiled
def normals(state: Array) -> tuple[float, float]:
    """Two independent standard normal numbers, from a table of quantiles (|g| < 3.7)."""
    word = bits(state)
    return np.float64(QUANTILES[(word >> 12) & 4095]), np.float64(QUANTILES[(word >> 30) & 4095])


@compiled
def trio(state: Array) -> tuple[float, float, float]:
    """Two standard normal numbers, as `normals`, and one in [0, 1) of 23 bits, all independent."""
    word = bits(state)
    a, b = np.float64(QUANTILES[(word >> 12) & 4095]), np.float64(QUANTILES[(word >> 30) & 4095])
    return a, b, (((word & 4095) << 11) | (word >> 42)) * (1.0 / 8388608.0)


@compiled
def circle(state: Array) -> tuple[float, float]:
    """Cosine and sine of an angle, equally likely all around; without either function (von Neumann)."""
    while True:
        x, y = 2.0 * uniform(state) - 1.0, uniform(state)
        square = x * x + y * y
        if 0.0 < square <= 1.0:
            return (x * x - y * y) / square, 2.0 * x * y / square


@compiled
def isotropic(state: Array) -> tuple[float, float, float]:
    """Unit vector, equally likely in every direction."""
    z = 2.0 * uniform(state) - 1.0
    s = math.sqrt(1.0 - z * z)
    x, y = circle(state)
    return s * x, s * y, z


@compiled
def poisson(state: Array, mean: float) -> float:
    """Poisson number; above a mean of 30 a rounded normal number."""
    if mean > 30.0:
        return max(0.0, math.floor(mean + math.sqrt(mean) * normals(state)[0] + 0.5))
    count, product = 0.0, uniform(state)
    if product <= 1.0 - mean:  # which is less than exp(-mean)
        return 0.0
    limit = math.exp(-mean)
    while product > limit:
        count += 1.0
        product *= uniform(state)
    return count


@compiled
def gamma(state: Array, shape: float) -> float:
    """Gamma number of `shape` > 1/3 and scale one (Marsaglia and Tsang, ACM TOMS 26, 2000)."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        g = normals(state)[0]
        v = 1.0 + c * g
        if v > 0.0:
            v, u = v * v * v, 1.0 - uniform(state)
            if u < 1.0 - 0.0331 * g**4:  # which is surely below the curve
                return d * v
            if math.log(u) < 0.5 * g * g + d - d * v + d * math.log(v):
                return d * v


@compiled
def breit_wigner(state: Array, mass: float, width: float, low: float, high: float) -> float:
    """Mass from a non-relativistic Breit-Wigner line of full `width` between `low` and `high`.

    By inversion, so that it always ends; all four in the same unit.
    """
    if high <= low:
        return high
    a = math.atan(2.0 * (low - mass) / width)
    b = math.atan(2.0 * (high - mass) / width)
    return mass + 0.5 * width * math.tan(a + (b - a) * uniform(state))
