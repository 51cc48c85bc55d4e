"""The configuration: what speaks last wins, and what is wrong is named."""

from pathlib import Path

import pytest

from dicomweb_server.config import Config, ConfigError, load, sentences, variable


def test_flags_win_over_the_environment_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('port = 1001\nhost = "10.0.0.1"\nworkers = 3\n')
    config = load(
        file=file,
        environment={"DICOMWEB_SERVER_PORT": "1002", "DICOMWEB_SERVER_HOST": "10.0.0.2"},
        flags={"port": "1003", "host": None},
    )
    assert (config.port, config.host, config.workers) == (1003, "10.0.0.2", 3)
    assert config.prefix == Config().prefix


def test_every_setting_has_a_sentence_and_a_default_it_accepts() -> None:
    for name, (sentence, default) in sentences().items():
        assert sentence.endswith("."), name
        if default is not None:
            assert getattr(load(environment={}, flags={name: default}), name) == default


def test_every_setting_is_read_from_its_environment_variable() -> None:
    said = {name: default for name, (_, default) in sentences().items() if default is not None}
    said |= {"port": 81, "settle": False, "settle_after_s": 0.5, "public_url": "https://a/b"}
    environment = {variable(name): str(value) for name, value in said.items()}
    assert load(environment=environment) == load(environment={}, flags=said)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("port", "http", "'http' is not a whole number"),
        ("port", "65536", "65536 is not within 0 and 65535"),
        ("port", True, "'True' is not a whole number"),
        ("workers", "0", "0 is not within 1 and 256"),
        ("workers", 1.5, "'1.5' is not a whole number"),
        ("conflict", "overwrite", "'overwrite' is none of refuse, replace, keep-both-versions"),
        ("settle_after_s", "nan", "nan is not within"),
        ("settle_after_s", "soon", "'soon' is not a number"),
        ("settle", "perhaps", "'perhaps' is not true or false"),
        ("prefix", "/", "is no path of a URL"),
        ("prefix", "/a?b", "is no path of a URL"),
        ("public_url", "pacs.example.org", "is no URL"),
        ("data", " ", "is empty"),
        ("host", 5, "'5' is not a text"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_origin(
    name: str, value: object, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environment={}, flags={name: value})
    assert caught.value.name == name
    assert reason in caught.value.reason
    assert caught.value.origin == "--" + name.replace("_", "-")
    if isinstance(value, str):
        with pytest.raises(ConfigError) as caught:
            load(environment={variable(name): value})
        assert caught.value.origin == variable(name)


def test_a_file_may_not_name_what_does_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("prot = 80\n")
    with pytest.raises(ConfigError, match=r"prot .*config.toml.*: there is no such setting"):
        load(file=file, environment={})


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml.*is not TOML"):
        load(file=file, environment={})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml.*No such file"):
        load(file=tmp_path / "none.toml", environment={})


def test_paths_and_urls_are_kept_in_one_shape() -> None:
    config = load(environment={}, flags={"prefix": "pacs/web/", "public_url": "https://a/b/"})
    assert (config.prefix, config.public_url) == ("/pacs/web", "https://a/b")
