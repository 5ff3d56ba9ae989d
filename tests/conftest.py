"""Fixtures for everybody: a real hub.

`hub` is one per test module, trusted by this process and by those it starts, and mended between the module's tests:
whatever a test killed, froze, muted or denied is as at the beginning for the next one. What the hub received stays, so
count what is yours. A module that needs a hub with other settings builds it with `start_hub`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.peers.hub import Hub

# A slow, busy machine is no fault of the code: how long an example takes says nothing about it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="module")
def start_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Hub]]:
    """Start a fresh hub with the arguments of `Hub`, trusted until the module ends. The last one started is."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def start(**options: Any) -> Hub:
            hub = stack.enter_context(Hub(tmp_path_factory.mktemp("hub"), **options))
            for name, value in hub.environment().items():
                patch.setenv(name, value)
            return hub

        yield start


@pytest.fixture(scope="module")
def hub(start_hub: Callable[..., Hub]) -> Hub:
    """A fresh hub and broker with TLS and one device (see the module's docstring)."""
    return start_hub()


@pytest.fixture(autouse=True)
def _mend_hub(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub").mend()
