"""The settings that a Serve config file has, apart from those of the process that reads it."""

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.settings import Settings


class FileSettings(Settings):
    """Settings that are given as arguments alone: neither the environment nor `.env` is read.

    The nodes read theirs; those of whoever deploys a file say nothing about it.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments as the only source."""
        del settings_cls
        return (init_settings,)
