"""Read the pattern of an access line: `all`, a range, a list, or one of the random ones."""

from collections.abc import Callable

from cowmodel.errors import ConfigError
from cowmodel.scenario.patterns import Listed, Pattern, Random, Run, Shuffle, Zipf
from cowmodel.scenario.words import Words, chosen, span, whole

MOST_ACCESSES = 1 << 24  # of one line; lists are kept whole


def read_pattern(words: Words, count: int) -> Pattern:
    """Read a pattern over the indices 0..`count` - 1.

    Raises
    ------
    ConfigError
        For an unknown pattern, or one that leaves those indices.
    """
    word = words.take("a pattern")
    if word[0].isdigit():
        pattern: Pattern = _run(words, word)
    else:
        pattern = READERS[chosen("a pattern", word, READERS)](words, count)
    if pattern.highest >= count:
        raise ConfigError(
            f"expected indices up to {count - 1:,}, got {pattern.highest:,}; the region ends there"
        )
    if len(pattern) > MOST_ACCESSES:
        raise ConfigError(
            f"expected at most {MOST_ACCESSES:,} accesses, got {len(pattern):,}; use a larger unit"
        )
    return pattern


def _all(words: Words, count: int) -> Pattern:
    return Run(0, count - 1)


def _run(words: Words, text: str) -> Run:
    first, last = span("a range", text)
    backwards = words.peek() == "rev"
    if backwards:
        words.take("rev")
    return Run(first, last, backwards=backwards)


def _stride(words: Words, count: int) -> Pattern:
    first, last = span("a range", words.take("a range"))
    return Run(first, last, whole("a step", words.take("a step"), least=1))


def _list(words: Words, count: int) -> Pattern:
    parts = words.take("a list such as 1,5,9-12").split(",")
    return Listed(tuple(Run(*span("the parts of a list", part)) for part in parts))


def _random(words: Words, count: int) -> Pattern:
    return Random(*_within(words, count), _number(words), _seed(words))


def _shuffle(words: Words, count: int) -> Pattern:
    first, last = _within(words, count)
    number = _number(words, str(last - first + 1))
    if number > last - first + 1:
        raise ConfigError(
            f"expected n of at most {last - first + 1:,}, got {number:,}; a shuffle has no repeats"
        )
    return Shuffle(first, last, number, _seed(words))


def _zipf(words: Words, count: int) -> Pattern:
    text = words.option("s")
    try:
        skew = float(text)
    except ValueError:
        raise ConfigError(f"expected s, a number such as 0.99, got {text!r}") from None
    if not 0 <= skew <= 100:
        raise ConfigError(f"expected s from 0 to 100, got {text!r}")
    return Zipf(*_within(words, count), _number(words), _seed(words), skew)


def _within(words: Words, count: int) -> tuple[int, int]:
    return span("range", words.option("range", f"0-{count - 1}"))


def _number(words: Words, default: str | None = None) -> int:
    return whole("n", words.option("n", default), least=1, most=MOST_ACCESSES)


def _seed(words: Words) -> int:
    return whole("seed", words.option("seed"))


READERS: dict[str, Callable[[Words, int], Pattern]] = {
    "all": _all,
    "range": lambda words, count: _run(words, words.take("a range")),
    "stride": _stride,
    "list": _list,
    "random": _random,
    "shuffle": _shuffle,
    "zipf": _zipf,
}
