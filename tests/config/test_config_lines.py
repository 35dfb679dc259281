"""The line on which a key stands, in every shape that TOML allows."""

import tomllib
from textwrap import dedent

from voiced.config.lines import line_numbers


def lines(text: str) -> dict[tuple[str | int, ...], int]:
    text = dedent(text).lstrip("\n")
    tomllib.loads(text)  # the precondition
    return line_numbers(text)


def test_a_key_is_found_in_its_table() -> None:
    found = lines("""
        # [server]
        [server]
        host = "a"

        port = 1
        [server.tls]
        certificate = "c"
    """)
    assert found["server",] == 2
    assert found["server", "port"] == 5
    assert found["server", "tls", "certificate"] == 7


def test_strings_and_comments_that_look_like_toml_do_not_count() -> None:
    found = lines("""
        a = "[b] # x"  # [c]
        d = '''
        [e]
        f = 1 '' '''
        g = \"\"\"
        [h] \\\"\"\" i = 2
        \"\"\"\"\"
        "j # k" = 'l\\'
        m = 3
    """)
    assert found == {("a",): 1, ("d",): 2, ("g",): 5, ("j # k",): 8, ("m",): 9}


def test_arrays_of_tables_are_told_apart_by_index() -> None:
    found = lines("""
        [[route]]
        called = "1"
        [[route]]
        called = "2"
        [route.more]
        x = 1
    """)
    assert found["route", 0, "called"] == 2
    assert found["route", 1, "called"] == 4
    assert found["route", 1, "more", "x"] == 6


def test_a_value_over_several_lines_belongs_to_its_key() -> None:
    found = lines("""
        stt = [
          "a",  # ]
          { b = 1 },
        ]
        after = 2
    """)
    assert found == {("stt",): 1, ("after",): 5}


def test_dotted_and_quoted_keys_are_paths() -> None:
    found = lines("""
        a . "b.c" = 1
        ['d' . e]
        f = 1.5
    """)
    assert found["a", "b.c"] == 1
    assert found["d", "e", "f"] == 3


def test_windows_line_ends_and_no_last_line_end_are_fine() -> None:
    assert line_numbers("a = 1\r\n[b]\r\nc = 2")["b", "c"] == 3
