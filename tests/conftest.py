import asyncio

# looptime asks for the current event loop in every test, also in one that is not asynchronous, for
# which Python then makes one that nobody closes. Saying that there is none prevents it.
asyncio.set_event_loop(None)
