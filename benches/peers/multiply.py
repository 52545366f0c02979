"""Repeats a Jaeger capture, each time with other trace and span ids, until it is large enough.

    multiply.py CAPTURE.json.gz MEGABYTES LARGE.json
"""

import gzip
import re
import sys

ID = re.compile(r'("(?:traceID|spanID)":")([0-9a-f]+)(?=")')


def main():
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as file:
        capture = file.read()
    start, end = capture.index("[") + 1, capture.rindex("]")
    # Text, id, text, id, … text.
    pieces = ID.sub("\\1\0\\2\0", capture[start:end]).split("\0")
    texts = pieces[1::2]
    ids = {text: int(text, 16) for text in texts}
    n_copies = max(1, round(int(sys.argv[2]) * 1e6 / len(capture.encode())))
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write(capture[:start])
        for copy in range(n_copies):
            # An id in its own length, its bits others with each copy; the first copy is the capture itself.
            mask = copy * 0x9E3779B97F4A7C15F39CC0605CEDC835
            others = {text: f"{(number ^ mask) % 16 ** len(text):0{len(text)}x}" for text, number in ids.items()}
            pieces[1::2] = [others[text] for text in texts]
            out.write("," if copy else "")
            out.write("".join(pieces))
        out.write(capture[end:])


main()
