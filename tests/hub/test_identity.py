from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.endpoints import ProtocolFlags, redact, select_data_plane_endpoint
from agent.hub.errors import ThalovantIdentityError, ThalovantUnsupportedProtocolError
from agent.hub.files import replace_file
from agent.hub.identity import ThalovantIdentity

API = {
    "access_key": "key-1",
    "password": "pass-1",
    "site_id": "kiosk-1",
    "default_port": 443,
    "default_master": "wss://kitchen.thalovant.io",
}
OPERATOR = {
    "apiKey": "key-1",
    "password": "pass-1",
    "site_id": "32",
    "default_port": 443,
    "defaultMaster": "https://daily-desk.thalovant.io",
    "mqtt": {
        "endpoint": "mqtts://mqtt.thalovant.com:8883",
        "brokerUsername": "user-1",
        "brokerPassword": "broker-1",
        "topicPrefix": "hivemind",
    },
}
SAVED = {
    "site_id": "kiosk-1",
    "default_master": "https://h.example",
    "default_port": 443,
    "default_path": "",
    "data_plane_endpoints": {"https": "https://h.example", "wss": "wss://h.example", "mqtt": "mqtts://b:8883"},
    "access_key": "key-1",
    "password": "pass-1",
    "mqtt": {
        "endpoint": "mqtts://b:8883",
        "tls": True,
        "username": "user-1",
        "password": "broker-1",
        "topic_prefix": "hivemind/hub-1/key-1",
    },
    "metadata": {},
}


def identity(**changes: Any) -> ThalovantIdentity:
    return ThalovantIdentity.from_mapping({**API, **changes})


def written(path: Path, mapping: Any) -> Path:
    replace_file(path, json.dumps(mapping).encode())
    return path


@pytest.mark.parametrize("mapping", [API, OPERATOR, SAVED])
def test_every_shape_found_in_the_wild_is_read(mapping: dict[str, Any]) -> None:
    read = ThalovantIdentity.from_mapping(mapping)
    assert (read.access_key, read.password, read.default_port) == ("key-1", "pass-1", 443)
    assert read.endpoint_base().startswith("https://")


@pytest.mark.parametrize(
    ("field", "aliases"),
    [
        ("access_key", ("access_key", "key", "api_key", "apiKey")),
        ("default_master", ("default_master", "defaultMaster", "host", "hub_http_host", "hubHttpHost", "master")),
        ("site_id", ("site_id", "siteId", "site", "client_id", "clientId")),
        ("default_path", ("default_path", "defaultPath", "hub_http_path", "path", "uri_path")),
    ],
)
def test_every_alias_is_read_and_the_first_that_exists_wins_even_when_null(
    field: str, aliases: tuple[str, ...]
) -> None:
    others = {key: value for key, value in API.items() if key != field}
    for place, alias in enumerate(aliases):
        later = dict.fromkeys(aliases[place + 1 :], "/later")
        assert getattr(ThalovantIdentity.from_mapping({**others, alias: " /x ", **later}), field) == "/x"
        if field == "default_path":
            assert identity(**{alias: None, **later}).default_path == ""
        else:
            with pytest.raises(ThalovantIdentityError, match=f"has no {field}"):
                ThalovantIdentity.from_mapping({**others, alias: None, **later})


@pytest.mark.parametrize("field", ["access_key", "password", "site_id", "default_master"])
@pytest.mark.parametrize("value", ["", "   ", None, {}, []])
def test_a_missing_field_is_named_with_its_aliases(field: str, value: Any) -> None:
    with pytest.raises(ThalovantIdentityError, match=f"has no {field}") as caught:
        identity(**{field: value})
    if field == "access_key":
        assert str(caught.value) == "the identity has no access_key (nor key, api_key, apiKey)"


@pytest.mark.parametrize(
    ("value", "port"), [(None, 5679), (0, 5679), ("", 5679), ("8443", 8443), (" 443 ", 443), (65535, 65535)]
)
def test_the_port_is_read_from_numbers_and_texts(value: Any, port: int) -> None:
    assert identity(default_port=value).default_port == port


@pytest.mark.parametrize("value", ["https", 1.5, -1, 65536, True])
def test_a_port_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ThalovantIdentityError, match="default_port"):
        identity(default_port=value)


@pytest.mark.parametrize(
    ("changes", "base"),
    [
        ({}, "https://kitchen.thalovant.io:443"),
        ({"default_path": "a/b/"}, "https://kitchen.thalovant.io:443/a/b"),
        ({"default_path": "/"}, "https://kitchen.thalovant.io:443"),
        ({"default_master": "wss://h:8443/x/", "default_path": "/b"}, "https://h:8443/x/b"),
        ({"default_master": "ws://h", "default_port": 80}, "http://h:80"),
        ({"default_master": "https://h/p?q=1#f"}, "https://h:443/p"),
        ({"default_master": "https://[fd00::1]"}, "https://[fd00::1]"),
        ({"default_master": "h.example", "default_path": "/p"}, "h.example:443/p"),
        ({"endpoints": {"https": "https://e/x/"}, "default_path": "/b"}, "https://e:443/x"),
        ({"endpoints": {"http": "https://e:9"}}, "https://e:9"),
        ({"endpoints": {"https": "ftp://e"}}, "https://kitchen.thalovant.io:443"),
        ({"endpoints": {"https": "https://"}}, "https://kitchen.thalovant.io:443"),
        ({"endpoints": {}, "https": "https://top"}, "https://top:443"),
        ({"default_port": None, "endpoints": {"https": "https://e"}}, "https://e:5679"),
    ],
)
def test_the_https_address_follows_the_rules_of_endpoint_and_master(changes: dict[str, Any], base: str) -> None:
    assert identity(**changes).endpoint_base() == base
    assert identity(**changes).endpoint_for("https") == base
    assert identity(**changes).pin_id("mqtt") == identity(**changes).pin_id("https") == base


@pytest.mark.parametrize(
    ("changes", "url", "pin_id"),
    [
        ({}, "wss://kitchen.thalovant.io", "wss://kitchen.thalovant.io:443"),
        ({"default_master": "WS://Kitchen/p"}, "WS://Kitchen/p", "ws://kitchen:80"),
        ({"endpoints": {"ws": "ws://Hub.Local:81/x"}}, "ws://Hub.Local:81/x", "ws://hub.local:81"),
        ({"data_plane_endpoints": {"wss": "wss://e"}, "endpoints": {"wss": "wss://other"}}, "wss://e", "wss://e:443"),
    ],
)
def test_the_wss_address_comes_from_its_endpoint_or_the_master(changes: dict[str, Any], url: str, pin_id: str) -> None:
    assert identity(**changes).endpoint_for("wss") == url
    assert identity(**changes).pin_id("wss") == pin_id


def test_an_identity_without_an_address_for_wss_says_so() -> None:
    there_is_none = identity(default_master="https://h")
    assert there_is_none.endpoint_for("wss") is None
    with pytest.raises(ThalovantUnsupportedProtocolError):
        there_is_none.pin_id("wss")
    with pytest.raises(ThalovantUnsupportedProtocolError, match="wss, https and mqtt"):
        there_is_none.endpoint_for("smtp")


def test_the_mqtt_endpoint_is_never_derived_from_the_master() -> None:
    assert identity().endpoint_for("mqtt") is None
    assert ThalovantIdentity.from_mapping(OPERATOR).endpoint_for("mqtt") == "mqtts://mqtt.thalovant.com:8883"


@pytest.mark.parametrize(
    ("mapping", "enabled"),
    [
        ({}, ("wss",)),
        ({"protocols": {}}, ("wss",)),
        ({"protocols": {"websocket": "off", "http": {"enabled": "YES"}, "mqtt": 1}}, ("https", "mqtt")),
        ({"protocols": {"https": True, "mqtt": "maybe"}}, ("wss", "https")),
        ({"protocols": {}, "network": {"mqtt": True}}, ("wss", "mqtt")),
        ({"spec": {"protocols": {"wss": {"enabled": False}}}, "protocols": {"mqtt": True}}, ()),
    ],
)
def test_the_protocol_flags_are_read_as_the_hub_writes_them(mapping: dict[str, Any], enabled: tuple[str, ...]) -> None:
    read = identity(**mapping)
    assert read.enabled_protocols() == enabled
    assert [name for name in ("wss", "https", "mqtt") if read.supports_protocol(name)] == list(enabled)
    assert not read.supports_protocol("smtp")


def test_the_first_preferred_protocol_with_an_address_is_selected() -> None:
    read = ThalovantIdentity.from_mapping(SAVED)
    flags = ProtocolFlags(wss=False, http=True, mqtt=True)
    assert select_data_plane_endpoint(read.endpoints, flags, ("wss", "mqtt")) == ("mqtt", "mqtts://b:8883")
    assert select_data_plane_endpoint(read.endpoints, flags) == ("https", "https://h.example")
    assert select_data_plane_endpoint(identity().endpoints, flags) is None


def test_the_broker_reads_as_items_and_as_attributes() -> None:
    mqtt = ThalovantIdentity.from_mapping(OPERATOR).mqtt
    assert mqtt is not None
    assert (mqtt["host"], mqtt["port"]) == (mqtt.host, mqtt.port) == ("mqtt.thalovant.com", 8883)
    assert dict(mqtt)["topic_prefix"] == "hivemind"
    with pytest.raises(KeyError):
        mqtt["as_dict"]


@pytest.mark.parametrize(
    ("endpoint", "tls", "encrypted", "port", "dialled"),
    [
        ("mqtts://b", None, True, 8883, True),
        ("ssl://b:1", None, True, 1, True),
        ("tcp://b", True, True, 8883, True),
        ("mqtt://b", None, False, 1883, False),
        ("mqtts://b", False, True, 8883, True),
        ("mqtt://127.0.0.1:1884", None, False, 1884, True),
        ("mqtt://localhost", None, False, 1883, True),
        ("mqtt://[::1]", None, False, 1883, True),
        ("mqtt://10.0.0.1", None, False, 1883, False),
    ],
)
def test_a_broker_password_travels_in_the_clear_only_on_this_machine(
    endpoint: str, tls: bool | None, encrypted: bool, port: int, dialled: bool
) -> None:
    block = {"endpoint": endpoint, "username": "u", "password": "p", "topic_prefix": "a/b"}
    read = identity(mqtt=block if tls is None else {**block, "tls": tls})
    assert read.mqtt is not None
    assert (read.mqtt.encrypted, read.mqtt.port) == (encrypted, port)
    assert read.can_dial("mqtt") == dialled


@pytest.mark.parametrize("missing", ["endpoint", "username", "password"])
@pytest.mark.parametrize("value", [None, "", "http://b"])
def test_a_broker_block_that_is_not_whole_is_absent(missing: str, value: Any) -> None:
    block = {"endpoint": "mqtts://b", "username": "u", "password": "p", missing: value}
    read = identity(mqtt=block).mqtt
    assert read is None or (missing != "endpoint" and value == "http://b")


@pytest.mark.parametrize(("value", "qos"), [(0, 0), ("0", 0), (1, 1), (2, 1), (None, 1), ("x", 1), (False, 1)])
def test_the_quality_of_service_is_0_or_1(value: Any, qos: int) -> None:
    read = identity(mqtt={"endpoint": "mqtts://b", "username": "u", "password": "p", "qos": value}).mqtt
    assert read is not None
    assert read.qos == qos


@pytest.mark.parametrize(("given", "base"), [("a/b", "a/b"), (" / a//b/ ", "a//b"), ("/k/", "k")])
def test_the_topic_prefix_is_trimmed_and_used_as_it_stands(given: str, base: str) -> None:
    read = identity(mqtt={"endpoint": "mqtts://b", "username": "u", "password": "p", "topic_prefix": given}).mqtt
    assert read is not None
    assert read.topic_base() == base


@pytest.mark.parametrize("given", [None, "", " / ", "a/#", "a/+/b", "a\x00b", "a\nb"])
def test_a_topic_prefix_that_could_name_other_clients_is_refused(given: str | None) -> None:
    read = identity(mqtt={"endpoint": "mqtts://b", "username": "u", "password": "p", "topic_prefix": given})
    assert read.mqtt is not None
    with pytest.raises(ThalovantIdentityError):
        read.mqtt.topic_base()
    assert not read.can_dial("mqtt")


@pytest.mark.parametrize(
    ("changes", "protocols"),
    [
        ({}, {"wss", "https"}),
        ({"default_master": "https://h"}, {"https"}),
        ({"default_master": "ws://hub.lan"}, set()),
        ({"default_master": "ws://127.0.0.1:5678"}, {"wss", "https"}),
        ({"default_master": "h.example"}, set()),
        ({"mqtt": SAVED["mqtt"]}, {"wss", "https", "mqtt"}),
    ],
)
def test_a_protocol_can_be_dialled_when_the_identity_holds_all_it_needs(
    changes: dict[str, Any], protocols: set[str]
) -> None:
    read = identity(**changes)
    assert {name for name in ("wss", "https", "mqtt") if read.can_dial(name)} == protocols


# ---------------------------------------------------------------------------------------- files

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=9).filter(str.strip)
urls = st.builds("{}://h{}.example{}".format, st.sampled_from(["https", "wss", "ws"]), st.integers(0, 9), st.just("/a"))
mappings = st.fixed_dictionaries(
    {"access_key": words, "password": words, "site_id": words, "default_master": urls},
    optional={
        "default_port": st.integers(0, 65535),
        "default_path": st.sampled_from(["", "/", "a", "/a/b/"]),
        "data_plane_endpoints": st.dictionaries(st.sampled_from(["https", "ws", "wss", "mqtt"]), urls),
        "protocols": st.dictionaries(st.sampled_from(["wss", "http", "mqtt"]), st.booleans()),
        "metadata": st.dictionaries(words, st.recursive(words, lambda inner: st.lists(inner, max_size=3))),
        "mqtt": st.fixed_dictionaries(
            {"endpoint": st.sampled_from(["mqtts://b:1", "ssl://b", "mqtt://b"]), "username": words, "password": words},
            optional={"topic_prefix": words, "qos": st.integers(0, 2), "tls": st.booleans()},
        ),
    },
)


@given(mapping=mappings)
def test_what_is_saved_reads_back_equal_flags_and_all(mapping: dict[str, Any]) -> None:
    first = ThalovantIdentity.from_mapping(mapping)
    assert ThalovantIdentity.from_mapping(json.loads(json.dumps(first.as_dict(include_secrets=True)))) == first


def test_a_saved_identity_is_its_owners_alone_and_knows_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    saved = identity(protocols={"wss": False, "mqtt": True}).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = ThalovantIdentity.from_file(path)
    assert read == saved
    assert read.source_path == saved.source_path == path
    assert read.enabled_protocols() == ("mqtt",)


def test_saving_through_a_symlink_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("real.json")
    identity().save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert ThalovantIdentity.from_file(tmp_path / "link.json") == ThalovantIdentity.from_file(tmp_path / "real.json")


def test_an_identity_that_cannot_be_saved_says_where(tmp_path: Path) -> None:
    with pytest.raises(ThalovantIdentityError, match="cannot be written"):
        identity().save(tmp_path / "no" / "such" / "folder.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"access_key": "key-1",', "not valid JSON.*line 1"),
        ("[" * 100_000, "not valid JSON"),
        ('["key-1"]', "one JSON object"),
        ('{"access_key": "key-1"}', "has no password"),
    ],
)
def test_an_identity_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    replace_file(tmp_path / "identity.json", text.encode())
    with pytest.raises(ThalovantIdentityError, match=words) as caught:
        ThalovantIdentity.from_file(tmp_path / "identity.json")
    assert "identity.json" in str(caught.value)


def test_an_identity_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "identity.json", API)
    path.chmod(0o644)
    with pytest.raises(ThalovantIdentityError, match="chmod 600"):
        ThalovantIdentity.from_file(path)


# ------------------------------------------------------------------------- config and environment

TOML = """
profile = "prod"
[profiles.prod.identity]
access_key = "key-1"
password = "pass-1"
site_id = "kiosk-1"
default_master = "wss://kitchen.thalovant.io"
default_port = 443
[profiles.test]
access_key = "key-2"
password = "pass-1"
site_id = "kiosk-2"
default_master = "wss://kitchen.thalovant.io"
"""
YAML = """
default_profile: prod
profiles:
  prod:
    identity: {access_key: key-1, password: pass-1, site_id: kiosk-1, default_port: 443,
               default_master: "wss://kitchen.thalovant.io"}
"""


def config(tmp_path: Path, name: str, text: str) -> dict[str, str]:
    (tmp_path / "thalovant").mkdir(exist_ok=True)
    replace_file(tmp_path / "thalovant" / name, text.encode())
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_a_profile_is_read_from_toml(tmp_path: Path) -> None:
    environ = config(tmp_path, "config.toml", TOML)
    assert ThalovantIdentity.from_config(environ=environ) == identity()
    assert ThalovantIdentity.from_config(profile="test", environ=environ).access_key == "key-2"
    assert ThalovantIdentity.from_config(tmp_path / "thalovant" / "config.toml", "prod") == identity()
    with pytest.raises(ThalovantIdentityError, match="no profile 'dev'; it has: prod, test"):
        ThalovantIdentity.from_config(profile="dev", environ=environ)


def test_a_config_without_profiles_is_the_profile(tmp_path: Path) -> None:
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in API.items())
    assert ThalovantIdentity.from_config(profile="any", environ=config(tmp_path, "config.toml", text)) == identity()


def test_a_profile_is_read_from_yaml_where_pyyaml_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="PyYAML is optional")
    environ = config(tmp_path, "config.yaml", YAML)
    assert ThalovantIdentity.from_config(environ=environ) == identity()
    config(tmp_path, "config.yaml", "key: [secret-in-yaml")
    with pytest.raises(ThalovantIdentityError, match="not valid YAML") as caught:
        ThalovantIdentity.from_config(environ=environ)
    assert "secret-in-yaml" not in str(caught.value)


def test_toml_is_read_before_yaml(tmp_path: Path) -> None:
    config(tmp_path, "config.yaml", "profile: nothing")
    assert ThalovantIdentity.from_config(environ=config(tmp_path, "config.toml", TOML)) == identity()


def test_yaml_without_pyyaml_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ThalovantIdentityError, match=r"pip install pyyaml, or write it as config\.toml"):
        ThalovantIdentity.from_config(environ=config(tmp_path, "config.yaml", YAML))


def test_a_config_that_is_missing_open_or_broken_is_named(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(ThalovantIdentityError, match=r"config\.toml does not exist"):
        ThalovantIdentity.from_config(environ=environ)
    config(tmp_path, "config.toml", 'password = "pass-1')
    with pytest.raises(ThalovantIdentityError, match=r"not valid TOML \(at .*") as caught:
        ThalovantIdentity.from_config(environ=environ)
    assert "pass-1" not in str(caught.value)
    os.chmod(tmp_path / "thalovant" / "config.toml", 0o640)
    with pytest.raises(ThalovantIdentityError, match="chmod 600"):
        ThalovantIdentity.from_config(environ=environ)


def test_the_environment_describes_an_identity() -> None:
    environ = {
        "HUB_ACCESS_KEY": "key-1",
        "HUB_PASSWORD": "pass-1",
        "HUB_SITE_ID": "kiosk-1",
        "HUB_HUB_HTTP_HOST": "https://h",
        "HUB_HUB_HTTP_PORT": "443",
        "HUB_DEFAULT_PORT": "1",
        "HUB_HUB_WSS_HOST": "",
        "HUB_HUB_WEBSOCKET_HOST": "wss://h",
        "HUB_HUB_MQTT_HOST": "mqtts://b",
        "HUB_MQTT_USERNAME": "u",
        "HUB_MQTT_PASSWORD": "p",
        "HUB_MQTT_QOS": "0",
    }
    read = ThalovantIdentity.from_env("HUB_", environ=environ)
    assert (read.endpoint_base(), read.endpoint_for("wss"), read.endpoint_for("mqtt")) == (
        "https://h:443",
        "wss://h",
        "mqtts://b",
    )
    assert read.mqtt is not None
    assert (read.mqtt.username, read.mqtt.qos) == ("u", 0)
    with pytest.raises(ThalovantIdentityError, match="set THALOVANT_ACCESS_KEY, THALOVANT_PASSWORD"):
        ThalovantIdentity.from_env(environ={})


# --------------------------------------------------------------------------------------- secrets

SECRETS = {
    "access_key": "S3CRET-access",
    "password": "S3CRET-password",
    "site_id": "kiosk-1",
    "default_master": "https://S3CRET-user:S3CRET-word@h.example",
    "data_plane_endpoints": {"wss": "wss://S3CRET-user@h.example", "mqtt": "mqtts://S3CRET-a:S3CRET-b@b"},
    "mqtt": {
        "endpoint": "mqtts://S3CRET-a:S3CRET-b@b",
        "username": "S3CRET-username",
        "password": "S3CRET-broker",
        "topic_prefix": "hivemind/hub/S3CRET-access",
    },
    "metadata": {"room": {"Api-Key": "S3CRET-meta", "list": [{"x_session_key": ["S3CRET-deep"]}]}, "floor": 2},
}


def test_no_secret_is_in_anything_an_identity_shows() -> None:
    secret = ThalovantIdentity.from_mapping(SECRETS)
    shown = [repr(secret), str(secret), repr(secret.mqtt), repr(secret.endpoints), json.dumps(secret.as_dict())]
    assert "S3CRET" not in "".join(shown)
    assert secret.as_dict()["metadata"] == {
        "room": {"Api-Key": "<redacted>", "list": [{"x_session_key": "<redacted>"}]},
        "floor": 2,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"site_id": None},
        {"default_port": "S3CRET-port"},
        {"default_master": "ws://S3CRET-user:x@h"},
        {"mqtt": {**SECRETS["mqtt"], "endpoint": "mqtt://S3CRET-a:S3CRET-b@b"}},  # type: ignore[dict-item]
        {"mqtt": {**SECRETS["mqtt"], "topic_prefix": "S3CRET-access/#"}},  # type: ignore[dict-item]
    ],
)
def test_no_secret_is_in_any_error_of_an_identity(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = written(tmp_path / "identity.json", {**SECRETS, "data_plane_endpoints": {}, **changes})
    with pytest.raises((ThalovantIdentityError, ThalovantUnsupportedProtocolError)) as caught:  # noqa: PT012
        broken = ThalovantIdentity.from_file(path)
        broken.address_for("mqtt")
        broken.address_for("wss")
    error: BaseException | None = caught.value
    while error is not None:
        assert "S3CRET" not in f"{error!s}{error!r}"
        error = error.__cause__


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("GET wss://h/p?authorization=abc== failed", "GET wss://h/p?<redacted> failed"),
        ("https://u:p@h/a?x and https://k@h", "https://h/a?<redacted> and https://h"),
        ("a@b.example is fine", "a@b.example is fine"),
    ],
)
def test_a_url_in_an_error_loses_its_query_and_its_userinfo(text: str, safe: str) -> None:
    assert redact(text) == safe
