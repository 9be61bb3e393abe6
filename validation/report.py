"""Lines that pass or fail, and an exit code that says whether all passed."""

from __future__ import annotations


class Checks:
    """Prints one line a check."""

    def __init__(self) -> None:
        self.failed = 0

    def section(self, title: str) -> None:
        """A heading."""
        print(f"\n{title}\n{'-' * len(title)}")

    def equal(self, what: str, found: object, expected: object) -> None:
        """Passes where both are equal."""
        self.true(f"{what}: {found}", found == expected, f"expected {expected}")

    def true(self, what: str, passed: bool, otherwise: str = "") -> None:
        """Passes where it is so."""
        self.failed += not passed
        print(f"{'pass' if passed else 'FAIL'}  {what}{'' if passed else f' ({otherwise})'}")

    def exit_code(self) -> int:
        """0 where everything passed."""
        print(f"\n{'all passed' if not self.failed else f'{self.failed} failed'}")
        return 1 if self.failed else 0
