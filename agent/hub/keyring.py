"""The keys of this device on disk: its own, the pinned ones of its hubs, and a cache of slow results.

Wire reference, identity.md section 7. The layout is the published client's, so a device can share a folder
with it, and must when both use one identity: the hub pins the first key an access key presents and refuses
every other for good. Hence the care here. A key is created once and never made anew, a damaged pin file is
an error and never an empty one, and only the PSK cache may be lost, since it can be derived again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.hub.endpoints import split
from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import create_file, read_private, replace_file
from agent.hub.profiles import config_home
from agent.hub.psk_cache import PskCache

if TYPE_CHECKING:
    from agent.hub.identity import ThalovantIdentity

_PINS_FILE = "_identity.json"
_LOCK_FILE = "._identity.json.lock"
_KEY_SUFFIX = "_noise.key"
_KEY_TEXT = re.compile(r"[0-9a-fA-F]{64}")


class Keyring:
    """The keys in one folder. Any number of programs may use the folder at once; one thread uses the object.

    Whatever waiting cannot mend raises ThalovantIdentityError, with a sentence for the person who must.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._psks: PskCache | None = None

    @classmethod
    def for_identity(
        cls, identity: ThalovantIdentity, folder: Path | None = None, *, environ: Mapping[str, str] | None = None
    ) -> Keyring:
        """The keyring `identity` uses: in `folder`, else beside its file, else the one of all of this user's programs.

        A folder chosen beside the file takes over, by copying, the key and the pins that the shared folder
        has for the same hub: the hub knows this device by that key and would refuse a fresh one.
        """
        if folder is not None:
            return cls(folder)
        shared = cls(config_home(os.environ if environ is None else environ) / "hivemind")
        if identity.source_path is None:
            return shared
        beside = identity.source_path.parent / "hivemind"
        if not beside.is_dir() and not os.access(identity.source_path.parent, os.W_OK):
            return shared
        keyring = cls(beside)
        if keyring.folder != shared.folder:
            keyring._take_over(shared, identity)
        return keyring

    def static_private(self) -> bytes:
        """The 32 bytes of this device's X25519 private key, created on the first call and never again."""
        self._prepare()
        path = self._key_path()
        key = self._read_key(path)
        if key is None:
            with self._disk_errors(path):
                create_file(path, secrets.token_bytes(32).hex().encode())
            # Read, not remembered: another program may have won the race to create it.
            key = self._read_key(path)
        if key is None:
            raise ThalovantIdentityError(f"key file {path} vanished while it was being created")
        return key

    def pin(self, pin_id: str) -> bytes | None:
        """The hub key pinned under `pin_id` (`ThalovantIdentity.pin_id`); None on first contact."""
        text = self._read_pins().get("pinned_noise_keys", {}).get(pin_id)
        return None if text is None else bytes.fromhex(text)

    @property
    def knows_hubs(self) -> bool:
        """Whether any hub's key is pinned here: this device has been let in somewhere before."""
        return bool(self._read_pins().get("pinned_noise_keys"))

    def store_pin(self, pin_id: str, key: bytes) -> None:
        """Pin the hub key seen on first contact; it is on disk when this returns.

        Raises ThalovantIdentityError when another key is pinned already: that is not this call's to change.
        """
        self._write_pin(pin_id, key, replace=False)

    def replace_pin(self, pin_id: str, key: bytes) -> None:
        """Pin `key` in the place of the one before, because a person looked and said so. Nothing else calls this."""
        self._write_pin(pin_id, key, replace=True)

    def psk(self, identity: ThalovantIdentity, node_id: str) -> bytes | None:
        """The cached PSK of `identity`, with the password it has now, on the hub `node_id`; None when there is none.

        Never fails. See `PskCache` for how an entry knows its password.
        """
        cache = self._cache()
        return None if cache is None else cache.get(identity.access_key, identity.password, node_id)

    def expect(self, identity: ThalovantIdentity) -> None:
        """A PSK of `identity` will be asked for soon: what its proof costs is begun now, beside what else there is."""
        cache = self._cache()
        if cache is not None:
            cache.expect(identity.access_key, identity.password)

    def store_psk(self, identity: ThalovantIdentity, node_id: str, psk: bytes) -> None:
        """Cache a PSK that a finished handshake has proved. Best effort: never fails."""
        with suppress(ThalovantIdentityError):
            self._prepare()
        cache = self._cache()
        if cache is not None:
            cache.put(identity.access_key, identity.password, node_id, psk)

    def forget_psk(self, identity: ThalovantIdentity, node_id: str) -> None:
        """Drop whatever is cached for `identity` on the hub `node_id`, by us or by a program sharing the folder."""
        cache = self._cache()
        if cache is not None:
            cache.drop(identity.access_key, node_id)

    def _cache(self) -> PskCache | None:
        if self._psks is None:
            try:
                name = self._name()
            except ThalovantIdentityError:
                return None
            self._psks = PskCache(self.folder / f"{name}_noise_psks.json", lock=self._locked)
        return self._psks

    def _prepare(self) -> None:
        """Make the folder, for its owner alone; refuse a symlink, which could lead anywhere."""
        self._refuse_symlink(self.folder)
        with self._disk_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.folder.stat().st_mode & 0o777 != 0o700:
                self.folder.chmod(0o700)

    def _name(self) -> str:
        state = self._read_pins()
        name = state.get("name") or str(state.get("key") or "").rstrip("/").rpartition("/")[2]
        # The name becomes part of a path, and must not lead out of the folder.
        return name if isinstance(name, str) and name and not set(name) & {"/", "\\", "\0"} else "unnamed-node"

    def _key_path(self) -> Path:
        named = self._read_pins().get("noise_key")
        if not isinstance(named, str) or not named.strip():
            return self.folder / f"{self._name()}{_KEY_SUFFIX}"
        path = Path(named.strip())
        if not path.is_absolute():
            return self.folder / path
        reachable = path.exists() or (path.parent.is_dir() and os.access(path.parent, os.W_OK))
        return path if reachable else self.folder / path.name

    def _read_key(self, path: Path) -> bytes | None:
        self._refuse_symlink(path)
        if not path.exists():
            return None
        text = read_private(path, "key file").strip()
        if not _KEY_TEXT.fullmatch(text):
            raise ThalovantIdentityError(
                f"key file {path} is damaged; restore it, or delete it and reset this device's pin on the hub"
            )
        return bytes.fromhex(text)

    def _read_pins(self) -> dict[str, Any]:
        """The whole of `_identity.json`; empty only when there is none."""
        path = self.folder / _PINS_FILE
        self._refuse_symlink(self.folder)
        self._refuse_symlink(path)
        if not path.exists():
            return {}
        damaged = ThalovantIdentityError(f"pin file {path} is damaged; restore it, or delete it to trust the hub anew")
        try:
            # Any mode will do: pins are public keys, and nobody else can enter the folder to change them.
            state = json.loads(path.read_bytes())
        except OSError as error:
            raise ThalovantIdentityError(f"pin file {path} cannot be read: {error.strerror or error}") from error
        except (ValueError, RecursionError):
            raise damaged from None
        pins = state.get("pinned_noise_keys", {}) if isinstance(state, dict) else None
        if not isinstance(pins, dict) or not all(
            isinstance(key, str) and _KEY_TEXT.fullmatch(key) for key in pins.values()
        ):
            raise damaged
        return dict(state)

    def _write_pin(self, pin_id: str, key: bytes, *, replace: bool) -> None:
        if len(key) != 32:
            raise ValueError("a hub key is 32 bytes")
        self._prepare()
        with self._locked():
            state = self._read_pins()
            known = state.get("pinned_noise_keys", {}).get(pin_id)
            if known is not None and bytes.fromhex(known) == key:
                return
            if known is not None and not replace:
                raise ThalovantIdentityError(f"another hub key is pinned for {pin_id}; only a person may replace it")
            self._write_state({**state, "pinned_noise_keys": {**state.get("pinned_noise_keys", {}), pin_id: key.hex()}})

    def _write_state(self, state: Mapping[str, Any]) -> None:
        path = self.folder / _PINS_FILE
        with self._disk_errors(path):
            replace_file(path, json.dumps(state, ensure_ascii=False, indent=2).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock: what is read inside is still true when it is written back."""
        if os.name != "posix":
            yield
            return
        import fcntl

        path = self.folder / _LOCK_FILE
        with self._disk_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _take_over(self, shared: Keyring, identity: ThalovantIdentity) -> None:
        """Copy the shared folder's key and pins here, when it knows this hub and there is no key here yet.

        Pins first and the key last, so that a copy cut short is made again and never leaves a key
        without its pins. Copied, not moved: other programs still use the original.
        """
        if any(self.folder.glob(f"*{_KEY_SUFFIX}")) or self._read_pins().get("noise_key"):
            return
        try:
            pins = shared._read_pins().get("pinned_noise_keys", {})
            key = shared._read_key(shared._key_path())
        except ThalovantIdentityError:
            return
        hosts = {_host(url) for url in (identity.endpoint_for("wss"), identity.endpoint_base()) if url} - {None}
        if key is None or not any(_host(pin_id) in hosts for pin_id in pins):
            return
        self._prepare()
        with self._locked():
            state = self._read_pins()
            self._write_state({**state, "pinned_noise_keys": {**pins, **state.get("pinned_noise_keys", {})}})
        path = self._key_path()
        with self._disk_errors(path):
            create_file(path, key.hex().encode())

    @staticmethod
    def _refuse_symlink(path: Path) -> None:
        if path.is_symlink():
            raise ThalovantIdentityError(f"{path} is a symlink; keys must lie where they seem to lie")

    @contextmanager
    def _disk_errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ThalovantIdentityError(f"{path} cannot be written: {error.strerror or error}") from error

    def __repr__(self) -> str:
        return f"Keyring({str(self.folder)!r})"


def _host(url: str) -> str | None:
    parts = split(url)
    return parts.hostname if parts else None
