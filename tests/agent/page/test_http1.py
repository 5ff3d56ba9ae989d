from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.page.http1 import RequestReader, RequestRefusedError
from agent.page.liveness import Liveness

POST = b'POST /action HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 8\r\n\r\n{"a": 1}'


@given(cuts=st.lists(st.integers(0, len(POST))))
def test_how_a_request_was_cut_on_its_way_never_changes_it(cuts):
    reader = RequestReader()
    edges = sorted({0, len(POST), *cuts})
    pieces = [POST[a:b] for a, b in pairwise(edges)]
    whole = [request for piece in pieces if (request := reader.feed(piece)) is not None]
    assert [(request.method, request.path, request.body) for request in whole] == [("POST", "/action", b'{"a": 1}')]
    assert whole[0].headers == {"host": "127.0.0.1:1", "content-length": "8"}


@given(data=st.binary(max_size=400))
def test_noise_is_refused_or_waited_for(data):
    for head in (b"", b"GET / HTTP/1.1\r\n"):
        with contextlib.suppress(RequestRefusedError):
            RequestReader().feed(head + data)


def test_silence_is_told_after_the_limit_and_then_ever_more_rarely():
    liveness = Liveness(60.0, ceiling_seconds=300.0)
    liveness.start(0.0)
    told = [now for now in range(1500) if liveness.silent(float(now)) is not None]
    assert told == [60, 180, 420, 720, 1020, 1320]
    assert liveness.heard(1500.0)
    assert not liveness.heard(1505.0)
    assert liveness.silent(1564.0) is None
    assert liveness.silent(1565.0) == 60.0
    assert liveness.heard(1570.0)
