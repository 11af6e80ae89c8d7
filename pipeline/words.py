"""Words of messages: numbers with what they count."""


def many(count: int, thing: str, things: str = "") -> str:
    """ "1 frame", "2 frames"; `things` where the plural is not just that with an s."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"
