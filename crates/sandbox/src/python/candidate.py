"""Runs the candidate's code. Nothing here knows what the tests expect."""


class Served(Peer):
    def named(self, name):
        return self.names[name]

    def operate(self, op, message):
        if message["o"] == "__named__":
            return self.names[message["n"]]
        return super().operate(op, message)

    def remote(self, key, name):
        """A function of the tests, given as an argument."""
        def callback(*args, **kwargs):
            return self.call(key, args, kwargs)
        callback.origin = key
        return callback

    def own(self, v):
        origin = getattr(v, "origin", None) if type(v).__name__ == "function" else None
        return {"b": origin} if isinstance(origin, int) else self.export(v)


def kind(value):
    if isinstance(value, type):
        if issubclass(value, BaseException):
            return {"exception": [c.__name__ for c in value.__mro__]}
        return {"class": True}
    if type(value).__name__ == "module":
        return {"module": value.__name__}
    if callable(value):
        return {"function": True}
    return {"data": True}


def serve():
    header = read_header()
    sys.path[:] = [p for p in sys.path if p]
    sys.setrecursionlimit(10000)
    if header["script"]:
        close_inherited([])
        os.write(1, b"started\n")
        script(header["code"])
        return
    reading, writing = os.dup(0), os.dup(1)
    close_inherited([reading, writing])
    os.dup2(2, 1)
    empty, end = os.pipe()
    os.close(end)
    os.dup2(empty, 0)
    os.close(empty)
    offers = {"call", "get", "set", "binary", "item", "put", "len", "iter", "next", "str", "repr", "bool"}
    peer = Served(reading, writing, offers)
    os.write(writing, b"started\n")
    peer.names = {"__name__": "candidate"}
    known = set(peer.names)
    try:
        exec(compile(header["code"], "<candidate>", "exec"), peer.names)
    except BaseException as error:
        peer.send({"failed": (type(error).__name__ + ": " + str(error))[:500]})
        return
    peer.send({"ready": {n: kind(v) for n, v in list(peer.names.items()) if n not in known and isinstance(n, str)}})
    while True:
        peer.send(peer.serve(peer.receive()))


def script(code):
    names = sys.modules["__main__"].__dict__
    for name in [n for n in names if not n.startswith("__")]:
        del names[name]
    exec(compile(code, "<candidate>", "exec"), names)


serve()
