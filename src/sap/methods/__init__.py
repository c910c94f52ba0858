"""Statistics as pure functions of numbers and arrays; nothing here knows a trial."""
