from pipeline.tracking.keys import MAX_KEY_CHARACTERS, mlflow_key

ODD = [
    "",
    "/",
    "//",
    ".",
    "..",
    "../a",
    "a//b",
    "物体/",
    "数(個)",
    "数[個]",
    "C++",
    "C--",
    "a:b",
    "a\tb",
    "a b ",
    "½",
    "位\u3000置",
]
LONG = ["あ" * 300 + end for end in ("い", "う", "い/", "い//")]


def test_names_that_mlflow_takes_are_keys_as_they_are():
    for name in ("位置", "個数", "mine/all/rougeL/category/色", "a.b-c_d e", "Ａ", "あ" * 250):
        assert mlflow_key(name) == name


def test_odd_and_long_names_have_keys_that_mlflow_takes_and_that_differ():
    names = [*ODD, *LONG, *(f"mine/all/rougeL/category/{name}" for name in (*ODD, *LONG))]
    keys = [mlflow_key(name) for name in names]
    assert len(set(keys)) == len(names)
    for key in keys:
        assert len(key) <= MAX_KEY_CHARACTERS
        assert all(character.isalnum() or character in "_-./ " for character in key)
        assert not {"", ".", ".."} & set(key.split("/"))
        assert mlflow_key(key) == key
