"""geokit doctor."""

from dataclasses import dataclass

from geokit.cli.options import Debug


@dataclass
class Doctor:
    """Say what is installed, which kernels this machine runs, and whether they compute."""

    debug: Debug = False

    def run(self) -> int:
        """Print every check; 1 when one failed."""
        from rich.text import Text

        from geokit.cli.pipes import printing
        from geokit.cli.report import console, table
        from geokit.pipelines.doctor import examine

        checks = examine()
        rows = []
        for check in checks:
            found = Text(check.found, style="" if check.good else "red")
            rows.append((check.name, found + Text(f"; {check.cure}" if check.cure else "", style="yellow")))
        with printing():
            console().print(table(rows))
        return 0 if all(check.good for check in checks) else 1
