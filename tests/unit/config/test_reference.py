"""The configuration reference of the manual says what the schemas and conf/ say."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
import write_reference as reference

from gesturelab.errors import ConfigError

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


class Colour(StrEnum):
    red = "red"
    green = "green"


@dataclass
class Base:
    """A schema with one key explained below it, over two lines."""

    first: int = 1
    """What the first
    key means."""


@dataclass
class Derived(Base):
    """Gives an inherited key another value, and adds one without a word."""

    first: int = 2
    second: Colour | None = None


def test_the_page_is_up_to_date(whole):
    text = PAGE.read_text(encoding="utf-8")
    assert reference.put_into(text, whole) == text, "run `make reference`"


def test_meaning_is_the_docstring_below_the_field_and_is_inherited():
    assert reference.meaning(Derived, "first") == "What the first key means."


def test_field_without_a_docstring_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"Derived\.second has no docstring"):
        reference.meaning(Derived, "second")


def test_types_in_plain_words():
    assert reference.type_in_words(Colour | None) == "red, green or null"
    assert reference.type_in_words(list[float]) == "list of numbers"


def test_keys_of_one_option_name_it(whole):
    assert "| `data.root` | text | `data/irds` | Only with `irds`. The folder SkeletonData" in whole
    assert "| `optimizer.momentum` | number | `0.9` | Only with `sgd`. Momentum. |" in whole
    assert "| `data.subjects` | list of text or null | `null` | People to keep" in whole


def test_a_key_that_means_two_things_has_two_rows(whole):
    assert "| `split.fold` | whole number | `0` | Only with `loso`. Which person" in whole
    assert "| `split.fold` | whole number | `0` | Only with `folds_file`, `subject_kfold`. Which fold" in whole


def test_marks_must_be_there_once_and_in_order():
    for text in ("", f"{reference.END} {reference.BEGIN}", f"{reference.BEGIN} {reference.BEGIN} {reference.END}"):
        with pytest.raises(ConfigError, match="there must be one line"):
            reference.put_into(text, "new")


def test_main_writes_between_the_marks_and_leaves_the_rest(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(reference, "reference", lambda: whole)  # to make it anew takes as long as all other tests here
    path = tmp_path / "page.md"
    path.write_text(f"before\n{reference.BEGIN}\nold\n{reference.END}\nafter\n", encoding="utf-8")
    reference.main([str(path)])
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{reference.BEGIN}\n")
    assert text.endswith(f"{reference.END}\nafter\n")
    assert whole in text
    assert "old" not in text.split("\n")


@pytest.fixture(scope="module")
def whole():
    return reference.reference()
