"""Words of messages: numbers with what they count."""


def many(count: int, thing: str, things: str = "") -> str:
    """A number and its noun: "1 frame", "2 frames"; `things` is the plural, else with an s."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"
