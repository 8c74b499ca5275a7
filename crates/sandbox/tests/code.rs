//! Kind `code`: programs against tests, in all forms that gold may have.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use common::{can_run, cannot_tell, code, policy, right, sandbox, short, wrong};

const DOUBLE: &str = "Here it is:\n```python\ndef double(x):\n    return 2 * x\n```\nIt doubles.";

#[test]
fn asserts_decide() {
    if !can_run() {
        return;
    }
    right(&code(
        "assert double(2) == 4\nassert double('a') == 'aa'",
        DOUBLE,
    ));
    right(&code(
        r#"["assert double(2) == 4", "assert double([1]) == [1, 1]"]"#,
        DOUBLE,
    ));
    let found = code(
        r#"["assert double(2) == 4", "assert double(2) == 5"]"#,
        DOUBLE,
    );
    wrong(&found, "test 2 fails: assert double(2) == 5");
    wrong(
        &code("assert triple(2) == 6", DOUBLE),
        "name 'triple' is not defined",
    );
}

#[test]
fn arguments_and_expected_values_decide() {
    if !can_run() {
        return;
    }
    let gold = r#"{"entry": "double", "tests": [{"args": [2], "expected": 4}, {"call": "double((1,))", "expected": [1, 1]}, {"args": [0.1], "expected": 0.2, "tolerance": 1e-6}]}"#;
    right(&code(gold, DOUBLE));
    let gold = r#"{"entry": "double", "tests": [{"kwargs": {"x": 2}, "expected": 5}]}"#;
    wrong(&code(gold, DOUBLE), "gives 4");
}

#[test]
fn whole_programs_are_judged_by_what_they_write() {
    if !can_run() {
        return;
    }
    let gold = r#"[{"stdin": "1 2\n", "stdout": "3"}, {"stdin": "5 -5", "stdout": "0\n"}]"#;
    let program =
        "```python\nimport sys\na, b = map(int, sys.stdin.read().split())\nprint(a + b)\n```";
    right(&code(gold, program));
    let with_input = "```python\na, b = input().split()\nprint(int(a) + int(b))\n```";
    right(&code(gold, with_input));
    wrong(&code(gold, "print(3)"), "run 2 fails: another output");
    wrong(&code(gold, "print(3)\nraise SystemExit(1)"), "run 1 fails");
    wrong(&code(gold, "print(undefined)"), "NameError");
}

/// HumanEval: `check(candidate)`, with a prompt that the model goes on with.
#[test]
fn human_eval_s_form_is_understood() {
    if !can_run() {
        return;
    }
    let gold = serde_json::json!({
        "entry": "mean",
        "prompt": "import math\ndef scale(x):\n    return 10 * x\n\ndef mean(xs):\n    \"\"\"The mean.\"\"\"\n",
        "setup": "METADATA = {}\n\ndef check(candidate):\n    assert candidate([1, 2]) == 1.5\n    assert abs(candidate([0.1, 0.2]) - 0.15) < 1e-9\n    assert scale(candidate([1])) == 10\n    for n in range(3):\n        assert candidate([n] * 4) == n\n",
        "tests": ["check(mean)"],
    });
    let gold = gold.to_string();
    right(&code(&gold, "    return math.fsum(xs) / len(xs)\n"));
    right(&code(
        &gold,
        "```python\ndef mean(xs):\n    return math.fsum(xs) / len(xs)\n```",
    ));
    wrong(&code(&gold, "    return xs[0]\n"), "fails");
    // A helper of the prompt is the prompt's, whatever the code makes of it.
    let forged = "```python\ndef scale(x):\n    return 10\ndef mean(xs):\n    return 0\n```";
    wrong(&code(&gold, forged), "fails");
}

/// MBPP names builtins, uses `math` without importing it, and compares sets.
#[test]
fn mbpp_s_habits_are_understood() {
    if !can_run() {
        return;
    }
    right(&code(
        "assert sum(10, 15) == 6",
        "def sum(a, b):\n    return 6",
    ));
    right(&code(
        "assert math.isclose(area(1), 3.14159, rel_tol=0.01)",
        "import math\ndef area(r):\n    return math.pi * r * r",
    ));
    right(&code(
        "assert set(common((1, 2), (2, 3))) == set((2,))",
        "def common(a, b):\n    return tuple(set(a) & set(b))",
    ));
    right(&code(
        "assert is_even(2) == True",
        "is_even = lambda n: n % 2 == 0",
    ));
}

#[test]
fn data_of_every_kind_crosses() {
    if !can_run() {
        return;
    }
    let gold = "
from decimal import Decimal
from fractions import Fraction
import datetime, collections
for value in [None, True, 1, -2**70, 1.5, float('inf'), 'é\\n\\ud800', b'\\x00', bytearray(b'a'), (1, (2,)), [[], {}],
              {1: 'a', (2, 3): {4}}, frozenset([1]), 1+2j, range(3), Decimal('1.10'), Fraction(1, 3),
              datetime.date(2020, 1, 2), datetime.timedelta(1, 2), collections.deque([1])]:
    got = same(value)
    assert got == value and type(got) is type(value), repr(got)
assert str(same(float('nan'))) == 'nan'
assert same.__name__ == 'same'
";
    right(&code(gold, "def same(x):\n    return x"));
}

#[test]
fn functions_generators_mutations_and_exceptions_cross() {
    if !can_run() {
        return;
    }
    right(&code(
        "assert apply(lambda x: x + 1, [1, 2]) == [2, 3]\nassert apply(len, ['ab']) == [2]",
        "def apply(f, xs):\n    return [f(x) for x in xs]",
    ));
    right(&code(
        "assert list(count(3)) == [0, 1, 2]\nassert next(count(1)) == 0\nassert adder(2)(3) == 5",
        "def count(n):\n    yield from range(n)\ndef adder(a):\n    return lambda b: a + b",
    ));
    right(&code(
        "xs = [3, 1, 2]\nassert put(xs) is None\nassert xs == [1, 2, 3]\nd = {}\nput(d)\nassert d == {'a': 1}",
        "def put(x):\n    if isinstance(x, list):\n        x.sort()\n    else:\n        x['a'] = 1",
    ));
    let raising = "
try:
    root(-1)
    assert False, 'no exception'
except ValueError as error:
    assert 'negative' in str(error)
try:
    root('x')
    assert False, 'no exception'
except Unfit as error:
    pass
assert root(4) == 2
";
    right(&code(
        raising,
        "class Unfit(Exception):\n    pass\ndef root(x):\n    if isinstance(x, str):\n        raise Unfit(x)\n    if x < 0:\n        raise ValueError('negative')\n    return x ** 0.5",
    ));
}

#[test]
fn classes_are_used_from_afar() {
    if !can_run() {
        return;
    }
    let stack = "class Stack:\n    def __init__(self, items=()):\n        self.items = list(items)\n    def push(self, x):\n        self.items.append(x)\n    def pop(self):\n        return self.items.pop()\n    def __len__(self):\n        return len(self.items)\n    def __eq__(self, other):\n        return self.items == other.items\n";
    let gold = "s = Stack([1])\ns.push(2)\nassert len(s) == 2\nassert s.items == [1, 2]\nassert s.pop() == 2\nassert s == Stack([1])\nassert not (s == Stack([2]))";
    let found = code(gold, stack);
    right(&found);
    assert!(found.how.contains("trust the methods"), "{}", found.how);
    let solution = "class Solution:\n    def twoSum(self, nums, target):\n        return [0, 1]\n";
    right(&code(
        "assert Solution().twoSum([2, 7], 9) == [0, 1]",
        solution,
    ));
    wrong(
        &code("assert Solution().twoSum([2, 7], 9) == [1, 0]", solution),
        "fails",
    );
}

#[test]
fn asyncio_threads_and_the_scratch_directory_work() {
    if !can_run() {
        return;
    }
    right(&code(
        "assert waits(3) == [0, 1, 4]",
        "import asyncio\nasync def square(n):\n    await asyncio.sleep(0.001)\n    return n * n\ndef waits(n):\n    async def all():\n        return await asyncio.gather(*map(square, range(n)))\n    return list(asyncio.run(all()))",
    ));
    right(&code(
        "assert total(4) == 6",
        "import threading\ndef total(n):\n    found = []\n    threads = [threading.Thread(target=found.append, args=(i,)) for i in range(n)]\n    [t.start() for t in threads]\n    [t.join() for t in threads]\n    return sum(found)",
    ));
    let holds = sandbox().layers().unwrap().missing().is_empty();
    if !holds {
        common::tell("skipped: there is no scratch directory without a root of its own");
        return;
    }
    right(&code(
        "assert through_a_file('é') == 'é'",
        "import tempfile\ndef through_a_file(text):\n    with tempfile.NamedTemporaryFile('w+') as f:\n        f.write(text)\n        f.seek(0)\n        return f.read()",
    ));
}

#[test]
fn what_fails_is_wrong_and_says_why() {
    if !can_run() {
        return;
    }
    wrong(
        &code("assert f() == 1", "def f(:"),
        "the code fails: SyntaxError",
    );
    wrong(
        &code("assert f() == 1", "import nothing_like_it"),
        "ModuleNotFoundError",
    );
    wrong(
        &code("assert f() == 1", "def f():\n    return 1 / 0"),
        "ZeroDivisionError",
    );
    wrong(
        &code("assert f() == 1", "def f():\n    return f()"),
        "RecursionError",
    );
    wrong(
        &code("assert f() == 1", "def f():\n    return object()"),
        "fails",
    );
}

#[test]
fn what_cannot_be_told_says_why() {
    if !can_run() {
        return;
    }
    cannot_tell(&code("assert f( == 1", DOUBLE), "not Python");
    cannot_tell(&code("print(double(1))", DOUBLE), "no `assert`");
    cannot_tell(&code("{\"tests\": 1}", DOUBLE), "cannot be read");
    cannot_tell(
        &code("import pytest\nassert double(1) == 2", DOUBLE),
        "not there",
    );
    cannot_tell(
        &code("assert double(1) == 2", "```python\n```"),
        "no program",
    );
    let mut surroundings = common::surroundings();
    surroundings.python = "no-such-python".to_owned();
    let without = autodidact_sandbox::Sandbox::new(surroundings);
    let found = without.verify_code("assert double(1) == 2", DOUBLE, &policy());
    cannot_tell(&found, "`no-such-python` does not start");
}

#[test]
fn strict_runs_only_behind_all_layers() {
    if !can_run() {
        return;
    }
    let mut strict = policy();
    strict.strict = true;
    let found = sandbox().verify_code("assert double(1) == 2", DOUBLE, &strict);
    let missing = sandbox().layers().unwrap().missing();
    if missing.is_empty() {
        right(&found);
    } else {
        common::tell(&format!("this machine lacks {missing:?}"));
        cannot_tell(&found, "verify_strict");
    }
}

/// Sets of texts have the same order each time, so that the same code gets the same verdict.
#[test]
fn verdicts_do_not_depend_on_the_order_of_hashes() {
    if !can_run() {
        return;
    }
    let program = "def first():\n    return list({'a', 'b', 'c', 'd', 'e', 'f'})[0]";
    let gold = "assert first() == 'a'";
    let once = code(gold, program).verdict;
    for _ in 0..5 {
        assert_eq!(code(gold, program).verdict, once);
    }
}

#[test]
fn many_at_once_all_come_back() {
    if !can_run() {
        return;
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..12)
            .map(|n| {
                scope.spawn(move || {
                    let gold = format!(
                        "assert double({n}) == {}",
                        if n % 3 == 0 { -1 } else { 2 * n }
                    );
                    (n, sandbox().verify_code(&gold, DOUBLE, &short()))
                })
            })
            .collect();
        for handle in handles {
            let (n, found) = handle.join().unwrap();
            assert_eq!(found.verdict.is_right(), n % 3 != 0, "{n}: {}", found.how);
        }
    });
}
