"""Where identities come from besides an identity file: a profile of a config file, and the environment.

Wire reference, identity.md section 5. Each function returns the plain mapping an identity is read from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.hub.endpoints import first_of, text_of
from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import read_private

_NAMES = ("config.toml", "config.yaml")


def config_home(environ: Mapping[str, str]) -> Path:
    """The directory programs of this user keep their configuration in."""
    given = environ.get("XDG_CONFIG_HOME", "")
    return Path(given) if given else Path.home() / ".config"


def config_path(environ: Mapping[str, str]) -> Path:
    """The config file that is there: `config.toml`, else `config.yaml`; the first when neither is."""
    folder = config_home(environ) / "thalovant"
    if os.name == "nt" and not environ.get("XDG_CONFIG_HOME") and environ.get("APPDATA"):
        folder = Path(environ["APPDATA"]) / "Thalovant"
    return next((folder / name for name in _NAMES if (folder / name).exists()), folder / _NAMES[0])


def profile_mapping(
    path: str | Path | None = None, profile: str | None = None, *, environ: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """The identity mapping of one profile of a config file. Raises ThalovantIdentityError.

    TOML can always be read; YAML, by any other ending than `.toml`, needs PyYAML to be installed.
    """
    environ = os.environ if environ is None else environ
    chosen = Path(path).expanduser() if path is not None else config_path(environ)
    text = read_private(chosen, "config file", environ=environ)
    config = _parse_toml(text, chosen) if chosen.suffix.lower() == ".toml" else _parse_yaml(text, chosen)
    selected: Any = config
    profiles = config.get("profiles")
    if isinstance(profiles, Mapping):
        chosen_by_file = first_of(config, "profile", "default_profile", "defaultProfile")
        name = text_of(profile) or text_of(chosen_by_file) or "default"
        selected = profiles.get(name)
        if not isinstance(selected, Mapping):
            known = ", ".join(sorted(map(str, profiles))) or "none"
            raise ThalovantIdentityError(f"{chosen} has no profile {name!r}; it has: {known}")
    identity = selected.get("identity")
    return identity if isinstance(identity, Mapping) else selected


def environment_mapping(prefix: str = "THALOVANT_", *, environ: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """The identity mapping that environment variables describe; an empty variable counts as not set."""
    variables = os.environ if environ is None else environ

    def value(*names: str) -> str | None:
        return next((found for name in names if (found := variables.get(prefix + name, "").strip())), None)

    mapping: dict[str, Any] = {
        "access_key": value("ACCESS_KEY"),
        "password": value("PASSWORD"),
        "site_id": value("SITE_ID"),
        "default_master": value("HUB_HTTP_HOST", "DEFAULT_MASTER"),
        "default_port": value("HUB_HTTP_PORT", "DEFAULT_PORT"),
        "default_path": value("HUB_HTTP_PATH", "DEFAULT_PATH"),
        "data_plane_endpoints": {
            "https": value("HUB_HTTPS_HOST", "HUB_HTTP_HOST"),
            "wss": value("HUB_WSS_HOST", "HUB_WEBSOCKET_HOST"),
            "mqtt": value("HUB_MQTT_HOST"),
        },
        "mqtt": {
            "endpoint": value("MQTT_ENDPOINT", "HUB_MQTT_HOST"),
            "username": value("MQTT_USERNAME"),
            "password": value("MQTT_PASSWORD"),
            "topic_prefix": value("MQTT_TOPIC_PREFIX"),
            "qos": value("MQTT_QOS"),
        },
    }
    required = {
        "access_key": ("ACCESS_KEY",),
        "password": ("PASSWORD",),
        "site_id": ("SITE_ID",),
        "default_master": ("HUB_HTTP_HOST", "DEFAULT_MASTER"),
    }
    missing = [" or ".join(prefix + name for name in names) for key, names in required.items() if not mapping[key]]
    if missing:
        raise ThalovantIdentityError(f"the environment holds no whole identity; set {', '.join(missing)}")
    return mapping


def _parse_toml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Not chained, here and below: a parser's exception may quote the line, and the line is a secret.
        raise ThalovantIdentityError(f"{path} is not valid TOML{_position(str(error))}") from None


def _parse_yaml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        raise ThalovantIdentityError(
            f"{path} is YAML and PyYAML is not installed; run pip install pyyaml, or write it as config.toml"
        ) from None
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise ThalovantIdentityError(f"{path} is not valid YAML{place}") from None
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ThalovantIdentityError(f"{path} must hold a mapping of names to values")
    return config


def _position(message: str) -> str:
    """The `(at line …, column …)` a TOML error ends in, and nothing else of it."""
    start = message.rfind(" (at ")
    return message[start:] if start >= 0 else ""
