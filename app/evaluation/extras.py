"""What a report needs that is not installed with Vitrine."""

from app.classifier.engines.selection import check_installed


def check_report_packages() -> None:
    """Refuse to begin what would end without a report; raises SettingsError."""
    for package in ("jinja2", "matplotlib"):
        check_installed(package, "The report needs it: run `pip install 'vitrine[data]'`.")
