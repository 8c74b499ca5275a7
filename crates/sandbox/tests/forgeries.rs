//! Attempts to be judged right without being right. None of them depends on a layer: what is expected
//! is in another process, and so is whoever compares.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use autodidact_core::Verdict;
use common::{can_run, code, sandbox, short};

/// Tests that no forger passes: the expected numbers are in no other place.
const GOLD: &str = "assert f(1) == 86753091\nassert f(2) == 86753092";

/// A program that does something and otherwise answers wrongly.
#[track_caller]
fn not_right(program: &str) {
    if !can_run() {
        return;
    }
    for gold in [
        GOLD,
        r#"{"entry": "f", "tests": [{"args": [1], "expected": 86753091}, {"args": [2], "expected": 86753092}]}"#,
        r#"{"entry": "f", "setup": "def check(candidate):\n    assert candidate(1) == 86753091", "tests": ["check(f)"]}"#,
        r#"[{"stdin": "1", "stdout": "86753091"}]"#,
    ] {
        let found = sandbox().verify_code(gold, program, &short());
        assert_eq!(found.verdict, Verdict::Wrong, "{gold}: {}", found.how);
    }
}

#[test]
fn prints_pass() {
    not_right(
        "print('PASS')\nprint('={\"passed\": 2, \"classes\": false}')\ndef f(x):\n    print('={\"passed\": 2, \"classes\": false}', flush=True)\n    return 0",
    );
}

#[test]
fn exits_with_success() {
    not_right("import sys\nsys.exit(0)");
    not_right("import sys\ndef f(x):\n    sys.exit(0)");
}

#[test]
fn exits_at_once_with_success() {
    not_right("import os\nos._exit(0)");
    not_right("import os\ndef f(x):\n    os._exit(0)");
}

#[test]
fn exits_as_the_launcher_does_when_it_refuses() {
    not_right("import os\ndef f(x):\n    os._exit(121)\nf(1)");
}

#[test]
fn equals_anything() {
    not_right(
        "class All:\n    def __eq__(self, other):\n        return True\n    __req__ = __eq__\n    def __ne__(self, other):\n        return False\n    def __hash__(self):\n        return 0\ndef f(x):\n    return All()",
    );
}

#[test]
fn is_a_number_that_equals_anything() {
    not_right(
        "class All(int):\n    def __eq__(self, other):\n        return True\n    def __index__(self):\n        return self\n    def __hash__(self):\n        return 0\ndef f(x):\n    return All(0)",
    );
    not_right(
        "class All(list):\n    def __eq__(self, other):\n        return True\n    def __iter__(self):\n        return iter([86753090])\ndef f(x):\n    return All()",
    );
}

#[test]
fn is_a_text_or_a_table_that_equals_anything() {
    not_right(
        "class All(str):\n    def __eq__(self, other):\n        return True\n    __hash__ = str.__hash__\ndef f(x):\n    return All('x')",
    );
    not_right(
        "class All(dict):\n    def __eq__(self, other):\n        return True\ndef f(x):\n    return All(a=1)",
    );
}

#[test]
fn overrides_builtins() {
    not_right(
        "import builtins\nbuiltins.AssertionError = type('Fine', (BaseException,), {})\nbuiltins.compile = lambda *a, **k: compile('pass', '', 'exec')\nbuiltins.exec = lambda *a: None\nbuiltins.eval = lambda *a: True\ndef f(x):\n    return 0",
    );
    not_right(
        "import builtins\nbuiltins.str = builtins.int = builtins.isinstance = lambda *a: True\ndef f(x):\n    return 0",
    );
}

/// A test's helper of a builtin name is the builtin, whatever the code calls by that name.
#[test]
fn redefines_what_the_tests_use() {
    if !can_run() {
        return;
    }
    let program = "def abs(x):\n    return 0\ndef all(x):\n    return True\ndef sorted(x):\n    return [1, 2]\ndef f(x):\n    return [5.0]";
    for gold in [
        "assert abs(f(1)[0] - 7.0) < 1e-6",
        "assert all(x == 7 for x in f(1))",
        "assert sorted(f(1)) == [1, 2]",
    ] {
        assert_eq!(code(gold, program).verdict, Verdict::Wrong, "{gold}");
    }
    let module =
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x):\n    return 1.0";
    let gold = "import math\nassert math.isclose(f(1), 2.0)";
    assert_eq!(code(gold, module).verdict, Verdict::Wrong);
}

/// An object that is no data must not answer for itself in arithmetic with what is expected.
#[test]
fn answers_arithmetic_for_itself() {
    if !can_run() {
        return;
    }
    let program = "class Near:\n    def __sub__(self, other):\n        return 0\n    __rsub__ = __mul__ = __sub__\n    def __abs__(self):\n        return 0\n    def __lt__(self, other):\n        return True\n    __gt__ = __le__ = __ge__ = __contains__ = __lt__\n    def __round__(self, n=0):\n        return 7.0\n    def startswith(self, x):\n        return True\n    def __iter__(self):\n        return iter([5])\ndef f(x):\n    return Near()";
    for gold in [
        "assert abs(f(1) - 7) < 1e-6",
        "assert f(1) < 8",
        "assert 7 in f(1)",
        "assert round(f(1), 2) == 7.0",
        "assert f(1).startswith('seven')",
    ] {
        assert_eq!(code(gold, program).verdict, Verdict::Wrong, "{gold}");
    }
}

#[test]
fn comes_back_at_exit() {
    not_right(
        "import atexit, os\ndef last():\n    for fd in range(64):\n        try:\n            os.write(fd, b'={\"passed\": 2, \"classes\": false}\\n')\n        except OSError:\n            pass\natexit.register(last)\ndef f(x):\n    return 0",
    );
}

#[test]
fn writes_a_verdict_to_every_descriptor() {
    not_right(
        "import os\nfor fd in range(64):\n    for line in (b'={\"passed\": 2, \"classes\": false}\\n', b'started\\n={\"passed\": 2, \"classes\": false}\\n'):\n        try:\n            os.write(fd, line)\n        except OSError:\n            pass\ndef f(x):\n    return 0",
    );
}

#[test]
fn speaks_the_conversation_itself() {
    not_right(
        "import os, sys\nmain = sys.modules['__main__']\npeer = None\nframe = sys._getframe()\nwhile frame:\n    peer = frame.f_locals.get('peer', peer)\n    frame = frame.f_back\ndef say(text):\n    if peer:\n        os.write(peer.writing, text.encode() + b'\\n')\nsay('{\"ready\": {\"f\": {\"function\": true}}}')\nfor _ in range(3):\n    say('={\"passed\": 2, \"classes\": false}')\n    say('{\"v\": true}')\ndef f(x):\n    return True",
    );
    not_right(
        "import os, sys\nframe = sys._getframe()\nwhile frame and 'peer' not in frame.f_locals:\n    frame = frame.f_back\nif frame:\n    peer = frame.f_locals['peer']\n    peer.serve = lambda message: {'passed': 2, 'classes': False}\ndef f(x):\n    return 0",
    );
}

#[test]
fn questions_the_tests() {
    // Asks the tests' side for what it is not offered.
    not_right(
        "import sys\nframe = sys._getframe()\nwhile frame and 'peer' not in frame.f_locals:\n    frame = frame.f_back\npeer = frame.f_locals['peer'] if frame else None\ndef f(x):\n    found = []\n    for op in ('get', 'str', 'repr', 'item', 'call'):\n        for target in ('PEER', 'space', 'header', 0, 1, '__named__'):\n            try:\n                found.append(peer.ask({'op': op, 'o': target, 'f': target, 'n': 'tests', 'a': [], 'k': {}}))\n            except BaseException as error:\n                pass\n    return found[0] if found else 0",
    );
}

#[test]
fn searches_for_what_is_expected() {
    if !can_run() {
        return;
    }
    let program = "import gc, os, sys\ndef f(x):\n    seen, places = [], list(gc.get_objects()) + list(sys.argv) + list(os.environ.values())\n    frame = sys._getframe()\n    while frame:\n        places += list(frame.f_locals.values())\n        frame = frame.f_back\n    for root in ('/scratch', '/tmp', '.'):\n        for base, _, names in os.walk(root):\n            for name in names[:50]:\n                try:\n                    places.append(open(os.path.join(base, name)).read(100000))\n                except (OSError, ValueError):\n                    pass\n    for place in places:\n        try:\n            text = place if isinstance(place, str) else repr(place)[:10000]\n        except BaseException:\n            continue\n        at = text.find('8675' + '309')\n        if at >= 0:\n            seen.append(text[at:at + 8])\n    return int(seen[0]) if seen else -1";
    let found = code(GOLD, program);
    assert_eq!(found.verdict, Verdict::Wrong, "{}", found.how);
}

#[test]
fn changes_the_modules_of_our_part() {
    not_right(
        "import json, os, sys\njson.dumps = lambda *a, **k: '{\"v\": 86753091, \"passed\": 2}' if False else '{\"passed\": 2, \"classes\": false}'\nsys.modules['json'] = None\nos.write = lambda fd, data: len(data)\ndef f(x):\n    return 0",
    );
}

#[test]
fn becomes_another_python_that_speaks_for_it() {
    not_right(
        "import os, sys\ndef f(x):\n    os.execv(sys.executable, [sys.executable, '-S', '-c', 'import os\\nfor fd in range(64):\\n  try: os.write(fd, b\"={}\\\\n\".replace(b\"{}\", b\"{\\\\\"passed\\\\\": 2, \\\\\"classes\\\\\": false}\"))\\n  except OSError: pass'])",
    );
}

#[test]
fn raises_what_the_tests_raise() {
    not_right("def f(x):\n    raise AssertionError()");
    not_right("class Gold(Exception):\n    pass\ndef f(x):\n    raise Gold('no verdict, please')");
    not_right("def f(x):\n    raise ImportError('no module named pytest')");
    not_right("def f(x):\n    raise SystemExit(0)");
    not_right("def f(x):\n    raise StopIteration");
}

#[test]
fn gives_what_is_no_answer() {
    not_right("def f(x):\n    return NotImplemented");
    not_right("def f(x):\n    return ...");
    not_right("def f(x):\n    return float('nan')");
    not_right("def f(x):\n    return f");
    not_right("def f(x):\n    x = []\n    x.append(x)\n    return x");
}

#[test]
fn is_named_like_a_function_and_is_none() {
    not_right("f = True");
    not_right(
        "class f(int):\n    def __eq__(self, other):\n        return True\n    def __hash__(self):\n        return 0",
    );
    not_right(
        "class Meta(type):\n    def __eq__(self, other):\n        return True\n    def __hash__(self):\n        return 0\nclass f(metaclass=Meta):\n    def __new__(cls, x):\n        return cls",
    );
}

#[test]
fn closes_the_conversation() {
    not_right("import os\nos.closerange(0, 64)\ndef f(x):\n    return 0");
    not_right("import os\ndef f(x):\n    os.closerange(0, 64)");
}

#[test]
fn cuts_its_message() {
    not_right(
        "import os, sys\nframe = sys._getframe()\nwhile frame and 'peer' not in frame.f_locals:\n    frame = frame.f_back\npeer = frame.f_locals['peer'] if frame else None\ndef f(x):\n    os.write(peer.writing, b'{\"v\": 867530')\n    os._exit(0)",
    );
}
