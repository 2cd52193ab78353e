"""Numbers: floating point to the last bit, long integers, conversions. What is printed follows from the program alone."""
import cmath
import math
import random
import struct

random.seed(20261122)
edges = [0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.0, 0.1, 1 / 3, 1e16, 2.0**53 + 2, 1.7976931348623157e308]
values = edges + [random.uniform(-1e3, 1e3) for _ in range(40)] + [random.expovariate(1e-9) for _ in range(10)]

for f in (math.sin, math.cos, math.tan, math.atan, math.exp, math.expm1, math.tanh, math.erf, math.cbrt, math.asinh):
    row = []
    for x in values:
        try:
            row.append(f(x).hex())
        except (OverflowError, ValueError) as error:
            row.append(type(error).__name__)
    print(f.__name__, *row)

for x in values:
    y = abs(x)
    print(repr(x), f"{x:.3e} {x:+.10f} {x!r:>25}", math.floor(x), round(x, 3), math.frexp(x), math.modf(x))
    print(math.sqrt(y), math.log1p(y), math.gamma(y % 20 + 0.5), math.fmod(x, 0.7), math.hypot(x, 3.0, y))
    print(struct.pack(">fd", math.copysign(min(y, 3e38), x), x).hex(), (x / 3 - x / 7).as_integer_ratio()[1])

print(math.fsum(values[10:]), sum(values[10:]), cmath.exp(2 + 3j), cmath.sqrt(-2 - 0.0j), (1 + 2j) ** 2.5)
print(math.factorial(200), pow(3, 10**5, 2**521 - 1), math.isqrt(10**101), 7**777 % 10**50, -(10**40) // 7)
print(hex(12345678901234567890 << 90), (2**300).to_bytes(38, "little").hex(), int("z" * 30, 36), math.comb(300, 150))
print(float("1e-320"), float("123456789012345678901234567890"), 1e22, 1e23, 5e-324 / 2, -1e308 * 10, float("nan"))
