import pytest

from pipeline.compute.hosts import Host, read_host_file, training_hosts
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import load_settings
from pipeline.training.step import zero_stage_of


def hosts(tmp_path, text):
    path = tmp_path / "hosts"
    path.write_text(text, encoding="utf-8")
    return read_host_file(path)


def test_the_machines_are_those_of_the_file_in_its_order(tmp_path):
    text = "# the first has rank 0\nnode2 slots=8\n\n  node1.example.org   slots=4  # fewer\nuser@10.0.0.7 slots=1\n"
    assert hosts(tmp_path, text) == (Host("node2", 8), Host("node1.example.org", 4), Host("user@10.0.0.7", 1))


def test_all_wrong_lines_are_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        hosts(
            tmp_path, "node1 slots=8\nnode2\nnode3 slots=0\nnode4 slots=two\nnode1 slots=8\n-oProxyCommand=x slots=1\n"
        )
    assert str(caught.value) == (
        f"{tmp_path / 'hosts'}: every line must be like `node1 slots=8`, and no other is:\n"
        "  line 2: 'node2'\n"
        "  line 3: 'node3 slots=0'\n"
        "  line 4: 'node4 slots=two'\n"
        "  line 6: '-oProxyCommand=x slots=1'\n"
        "  node1 is named 2 times"
    )


def test_a_first_machine_that_the_others_would_look_for_in_themselves_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match="hosts: for node2, localhost is node2 itself; name this machine as the others"
    ):
        hosts(tmp_path, "localhost slots=8\nnode2 slots=8\n")


def test_a_file_without_machines_and_a_file_that_is_not_there_are_named(tmp_path):
    with pytest.raises(ConfigError, match="hosts: names no machine; write lines like `node1 slots=8`"):
        hosts(tmp_path, "# nothing\n")
    with pytest.raises(ConfigError, match=r"no \(LLAVA_JP_HOST_FILE\) cannot be read: No such file or directory"):
        read_host_file(tmp_path / "no")


def test_a_machine_is_this_one_by_its_names():
    assert Host("localhost", 1).is_this_machine
    assert not Host("127.0.0.2", 1).is_this_machine


def settings(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"LLAVA_JP_{name}", str(value))
    return load_settings()


@pytest.mark.parametrize(
    ("values", "zero_stage"),
    [
        ({}, 0),
        ({"NUM_PROCESSES": 2}, 2),
        ({"OFFLOAD": "optimizer"}, 2),
        ({"OFFLOAD": "all"}, 3),
        ({"NUM_PROCESSES": 2, "ZERO_STAGE": 1, "OFFLOAD": "optimizer"}, 1),
    ],
)
def test_the_zero_stage_is_the_least_that_the_other_settings_need(monkeypatch, values, zero_stage):
    assert zero_stage_of(load_experiment("smoke").pretrain, settings(monkeypatch, **values)) == zero_stage


def test_two_machines_of_one_process_each_are_two_processes(monkeypatch, tmp_path):
    (tmp_path / "hosts").write_text("node1 slots=1\nnode2 slots=1\n", encoding="utf-8")
    found = settings(monkeypatch, HOST_FILE=tmp_path / "hosts")
    assert training_hosts(found) == (Host("node1", 1), Host("node2", 1))
    assert zero_stage_of(load_experiment("smoke").pretrain, found) == 2


@pytest.mark.parametrize(("offload", "least"), [("optimizer", 1), ("all", 3)])
def test_offloading_without_zero_is_refused(monkeypatch, offload, least):
    message = f"LLAVA_JP_OFFLOAD={offload} needs LLAVA_JP_ZERO_STAGE={least} or more, not 0"
    with pytest.raises(ConfigError, match=message):
        settings(monkeypatch, OFFLOAD=offload, ZERO_STAGE=0)


def test_a_host_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "hosts").write_bytes("機械 slots=1\n".encode("shift_jis"))
    with pytest.raises(ConfigError, match=r"the host file .*/hosts \(LLAVA_JP_HOST_FILE\) is no text in UTF-8"):
        read_host_file(tmp_path / "hosts")
