"""A module put off is a module all the same."""

from __future__ import annotations

import subprocess
import sys


def ran(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_it_is_not_run_by_being_imported_again_and_again():
    code = """
import sys
from agent.hub.transports.put_off import put_off
put_off("urllib.request")
import urllib.request
import urllib.request as again
print(again is urllib.request, "http.client" in sys.modules)
"""
    assert ran(code) == "True False\n"


def test_it_has_everything_once_it_is_asked():
    code = """
from agent.hub.transports.put_off import put_off
put_off("urllib.request")
import urllib.request
from urllib.request import Request
print(hasattr(urllib.request, "proxy_bypass"), hasattr(urllib.request, "nothing"), Request("http://a/b").host)
"""
    assert ran(code) == "True False a\n"


def test_one_that_is_loaded_stays_as_it_is():
    code = """
import urllib.request
from agent.hub.transports.put_off import put_off
put_off("urllib.request")
import sys
print(sys.modules["urllib.request"] is urllib.request, "Request" in vars(urllib.request))
"""
    assert ran(code) == "True True\n"


def test_one_that_is_missing_is_missing_for_whoever_imports_it():
    code = """
from agent.hub.transports.put_off import put_off
put_off("no_such_module")
try:
    import no_such_module
except ModuleNotFoundError as error:
    print(error)
"""
    assert ran(code) == "No module named 'no_such_module'\n"
