"""Running code of the user's own, and telling what goes wrong in it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from bansweep.config.user_code import UserCode, UserObject
from bansweep.errors import TrainingError
from bansweep.user_code import user_function

CODE = """\
import pickle
count = 0

class Counter:
    def __init__(self, start=0):
        global count
        count += 1
        self.start = start

def divide(a, *, by):
    return helper(a, by)

def helper(a, by):
    return a / by

def round_trip():
    return pickle.loads(pickle.dumps(Counter(3))).start

def counted():
    Counter()
    return count
"""


def own(name: str, text: str = CODE, **arguments: Any) -> UserObject:
    return UserObject(code=UserCode(file="mine.py", name=name, text=text), arguments=arguments)


def test_it_is_called_with_its_arguments() -> None:
    assert user_function(own("divide", by=4))(10) == 2.5
    assert user_function(own("Counter", start=7))().start == 7


def test_a_text_is_run_once_and_another_text_is_another_module() -> None:
    first = user_function(own("counted"))()
    assert user_function(own("counted"))() == first + 1
    assert user_function(own("counted", CODE + "\n"))() == 1


def test_its_classes_can_be_pickled() -> None:
    assert user_function(own("round_trip"))() == 3


def test_an_exception_is_told_with_the_users_line() -> None:
    with pytest.raises(TrainingError) as told:
        user_function(own("divide", by=0))(1)
    assert told.value.cause == "mine.py, line 14, in helper: ZeroDivisionError: division by zero"
    assert pickle.loads(pickle.dumps(told.value)).cause == told.value.cause


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nraise ValueError('no\\nway')", "mine.py, line 2, in <module>: ValueError: no way"),
        ("import nothing_like_this", "mine.py, line 1, in <module>: ModuleNotFoundError: No module named"),
        ("def f(:", "mine.py, line 1: "),
        ("f = 3", "mine.py has no function or class 'f'"),
        ("", "mine.py has no function or class 'f'"),
    ],
)
def test_code_that_cannot_be_run_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(TrainingError) as told:
        user_function(own("f", text))
    assert told.value.cause.startswith(said)


def test_an_error_in_the_call_itself_names_the_function() -> None:
    with pytest.raises(TrainingError, match=r"mine\.py: divide: TypeError"):
        user_function(own("divide"))(1)
