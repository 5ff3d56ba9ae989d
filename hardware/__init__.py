"""The near end: scanners, buttons, displays, speech and lights of one device, as plain facts and plain orders.

A leaf: nothing here knows of hubs, messages or configuration files. Drivers are built with values, tell what happened
through an `emit` function (`hardware.facts`), and raise `DeviceError` where an order could not be carried out. None
of them starts a thread; a loop that reads is handed one by its caller. A library is imported when a device that needs
it is opened.
"""

from __future__ import annotations
