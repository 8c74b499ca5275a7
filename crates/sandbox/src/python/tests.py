"""Runs the tests, against functions that live in another process."""
import ast

STANDARD = getattr(sys, "stdlib_module_names", sys.builtin_module_names)


class Remote:
    """Something of the candidate's that is not data. Comparing it with data is never true."""
    __slots__ = ("_key", "_name")

    def __init__(self, key, name):
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "_name", name)

    def __call__(self, *args, **kwargs):
        return PEER.call(self._key, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or not PEER.classes:
            raise AttributeError(name)
        return PEER.operation("get", self, n=name)

    def __setattr__(self, name, value):
        PEER.operation("set", self, n=name, x=PEER.encode(value))

    def __getitem__(self, key):
        return PEER.operation("item", self, x=PEER.encode(key))

    def __setitem__(self, key, value):
        PEER.operation("put", self, x=PEER.encode(key), y=PEER.encode(value))

    def __len__(self):
        return PEER.operation("len", self)

    def __iter__(self):
        return PEER.operation("iter", self)

    def __next__(self):
        return PEER.operation("next", self)

    def __str__(self):
        return PEER.operation("str", self)

    def __repr__(self):
        return PEER.operation("repr", self)

    def __bool__(self):
        return bool(PEER.operation("bool", self)) if PEER.classes else True

    def __hash__(self):
        return hash(self._key) if isinstance(self._key, int) else hash(str(self._key))

    def __eq__(self, other):
        if not isinstance(other, Remote):
            return False
        return self._key == other._key or (PEER.classes and self._binary("eq", other) is True)

    def _binary(self, name, other):
        if not (PEER.classes and isinstance(other, Remote)):
            raise TypeError("a " + self._name + " of the code cannot be combined with data here")
        return PEER.operation("binary", self, n=name, x={"b": other._key})


for _name in ("add", "sub", "mul", "truediv", "lt", "le", "gt", "ge"):
    setattr(Remote, "__" + _name + "__", lambda self, other, n=_name: self._binary(n, other))


class Asking(Peer):
    classes = False

    def remote(self, key, name):
        return Remote(key, name)

    def own(self, v):
        if isinstance(v, Remote):
            return {"b": v._key}
        if callable(v):
            return self.export(v)
        raise TypeError("the tests hand a " + type(v).__name__ + " over, and only data and functions can cross")

    def target(self, name):
        return self.exported[name]

    def operation(self, op, thing, **more):
        return self.decode(self.ask({"op": op, "o": thing._key, **more})["v"])


def function(name):
    def remote(*args, **kwargs):
        return PEER.call(name, args, kwargs)
    remote.__name__ = name
    return remote


class Gold(Exception):
    """The tests themselves cannot be used."""


def parsed(source):
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise Gold("a test is not Python: " + str(error))


def names(trees):
    """Names that are read, and names that are made, in the tests."""
    read, made = set(), set()
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return read, made


def bind(space, wanted, defined):
    """Puts what the code defines and the tests read into the tests' names."""
    for name in wanted:
        kind = defined.get(name, {})
        if "exception" in kind:
            base = next((getattr(builtins, n) for n in kind["exception"][1:] if hasattr(builtins, n)), Exception)
            if not issubclass(base, Exception):
                base = Exception
            space[name] = PEER.raised[name] = type(name, (base,), {})
        elif "class" in kind:
            PEER.classes = True
            space[name] = Remote(name, name)
        elif "function" in kind:
            space[name] = function(name)
        elif "module" in kind:
            if kind["module"].split(".")[0] in STANDARD:
                space[name] = __import__(kind["module"], fromlist=["x"])
        elif "data" in kind:
            value = PEER.ask({"op": "get", "o": "__named__", "n": name})
            space[name] = PEER.decode(value["v"])


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


def close(one, other, tolerance):
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(close(a, b, tolerance) for a, b in zip(one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k], tolerance) for k in one)
    numbers = (int, float)
    if tolerance and isinstance(one, numbers) and isinstance(other, numbers):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return bool(one == other)


def check(test, space, entry):
    """Runs one test, which raises if it fails."""
    if isinstance(test, str):
        exec(compile(test, "<test>", "exec"), space)
        return
    if "call" in test:
        got = eval(compile(test["call"], "<test>", "eval"), space)
    else:
        if entry not in space:
            raise NameError("name '" + entry + "' is not defined")
        got = space[entry](*test.get("args", []), **test.get("kwargs", {}))
    if not close(plain(got), test["expected"], test.get("tolerance")):
        raise AssertionError("gives " + shown(got))


def shown(value):
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."


def run(header):
    tests, setup, prompt, entry = (header[k] for k in ("tests", "setup", "prompt", "entry"))
    sources = [t if isinstance(t, str) else t.get("call", "") for t in tests]
    trees = [parsed(setup)] + [parsed(s) for s in sources]
    read, made = names(trees)
    asserts = [n for tree in trees for n in ast.walk(tree) if isinstance(n, (ast.Assert, ast.Raise))]
    if not asserts and not any(isinstance(t, dict) for t in tests):
        raise Gold("the tests hold no `assert`")
    called = {n.func.id for t in trees for n in ast.walk(t) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    if entry and "check" in made and "check" not in called:
        tests = tests + ["check(" + entry + ")"]
        read.add(entry)
    if entry and "candidate" in read - made:
        read.add(entry)
    if entry and any(isinstance(t, dict) and "call" not in t for t in tests):
        read.add(entry)
    space = {"__name__": "tests"}
    try:
        if prompt:
            exec(compile(parsed(prompt), "<prompt>", "exec"), space)
            made = made | (set(space) - {entry})
        free = read - made
        own = {n for n in free if not hasattr(builtins, n) or n == entry}
    except ImportError as error:
        raise Gold("the prompt needs what is not there: " + str(error))
    try:
        defined = PEER.receive()["ready"]
        if not own & set(defined):
            own |= {n for n in free if n in called}
        bind(space, sorted(own), defined)
    except BaseException as error:
        return failure(0, "", error)
    if entry in space and "candidate" in free:
        space["candidate"] = space[entry]
    try:
        exec(compile(setup, "<setup>", "exec"), space)
    except ImportError as error:
        raise Gold("the tests need what is not there: " + str(error))
    for at, test in enumerate(tests):
        try:
            check(test, space, entry)
        except ImportError as error:
            if error.name and error.name not in STANDARD:
                raise Gold("the tests need what is not there: " + str(error))
            return failure(at, test, error)
        except BaseException as error:
            return failure(at, test, error)
    return {"passed": len(tests), "classes": PEER.classes}


def failure(at, test, error):
    text = test if isinstance(test, str) else test.get("call") or json.dumps(test.get("args", []))
    line, trace = 0, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == "<test>":
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(test, str) and "\n" in test.strip() and line:
        text = test.splitlines()[line - 1]
    said = str(error) if isinstance(error, AssertionError) else type(error).__name__ + ": " + str(error)
    return {"failed": at + 1, "test": text.strip()[:200], "why": said[:200], "classes": PEER.classes}


def main():
    global PEER
    header = read_header()
    sys.path[:] = [p for p in sys.path if p]
    reading, writing = os.dup(0), os.dup(1)
    close_inherited([reading, writing])
    os.dup2(2, 1)
    PEER = Asking(reading, writing, {"call"}, prefix=b">")
    os.write(writing, b"started\n")
    try:
        outcome = run(header)
    except Gold as error:
        outcome = {"gold": str(error)}
    except BaseException as error:
        outcome = {"gold": "the tests cannot be run: " + type(error).__name__ + ": " + str(error)}
    PEER.prefix = b"="
    PEER.send(outcome)


main()
