"""The kiosk screen: one page for a browser on this device, on loopback, made for a finger and two metres' distance.

Nothing here knows of hubs or outboxes. The core hands in what is to be seen as a value (`state.PageState`), and gets
what a person touched as a value (`taps.Tap`). The page itself, `static/`, is plain HTML, CSS and JavaScript: what is in
the folder is what the browser runs.

Three things keep the page from being a way into the device:

- The server answers on loopback, to its own page alone: `guard` looks at Host, Origin and a token that no other page
  can read.
- What the hub says is text. The page never makes mark-up of it, and its content security policy has the browser refuse
  it should it ever try.
- The browser fetches nothing but from here. Pictures the hub names are fetched by the agent, from origins the installer
  allowed, and looked at before they are passed on (`images`).
"""

from __future__ import annotations
