"""Text and collections: sorting, hashing, regular expressions, Unicode, packing."""
import base64
import binascii
import calendar
import collections
import csv
import datetime
import functools
import hashlib
import heapq
import io
import pickle
import random
import re
import textwrap
import unicodedata
import zlib

random.seed(4)
with open("words.txt", encoding="utf-8") as file:
    words = file.read().split()

print(sorted(set(words), key=lambda word: (len(word), word[::-1]))[:12], len(set(words)))
print(collections.Counter("".join(words)).most_common(15), heapq.nsmallest(5, words))
print(re.sub(r"(\w)(\w+)", lambda m: m.group(2) + m.group(1).upper() + "ay", " ".join(words[:40])))
print(re.findall(r"(?i)\b(?:[^\W\d_](?=[aeiou])|q)\w{3,5}\b", " ".join(words))[:20])
data = bytes(random.randrange(256) for _ in range(5000)) + " ".join(words).encode() * 3
for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"):
    print(name, hashlib.new(name, data).hexdigest())
packed = zlib.compress(data, 9)
print(len(packed), zlib.crc32(data), zlib.adler32(data), hashlib.sha256(packed).hexdigest(), zlib.decompress(packed) == data)
print(binascii.crc_hqx(data, 0), base64.b85encode(data[:40]).decode(), base64.b32encode(data[:20]).decode())
print([unicodedata.name(c) for c in "é߀漢🙂"], unicodedata.normalize("NFKD", "ﬁ Å ½").encode("unicode_escape"))
print(textwrap.fill(" ".join(words[:60]), 50), "ǆ".upper(), "STRASSE".casefold(), "ß".upper())
print(datetime.datetime(2026, 11, 22, 12) - datetime.datetime(1970, 1, 1), calendar.month(2024, 2))
rows = [{"word": word, "n": len(word), "x": len(word) / 7} for word in words[:30]]
out = io.StringIO()
writer = csv.DictWriter(out, ["word", "n", "x"])
writer.writeheader()
writer.writerows(rows)
print(out.getvalue(), hashlib.sha256(pickle.dumps(rows, 4)).hexdigest())


@functools.lru_cache(maxsize=None)
def paths(x, y):
    return 1 if x == 0 or y == 0 else paths(x - 1, y) + paths(x, y - 1)


def queens(n, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    free = ~(columns | left | right) & ((1 << n) - 1)
    count = 0
    while free:
        bit = free & -free
        free ^= bit
        count += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return count


print(paths(60, 60), queens(7), sum(hash((word, 1)) & 0xFFFF for word in words))
