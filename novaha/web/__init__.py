"""`novaha serve`: the read API, the page and Masakari's API, over HTTP.

A process of its own without credentials of Nova. It shows the one snapshot (evacuator/status.py)
and changes nothing but by what operators may type, too. The only user of Starlette and uvicorn.
"""
