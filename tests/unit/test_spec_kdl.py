from pathlib import Path

from torc_watch.spec import Spec
from torc_watch.spec.spec_file import read_spec

KDL = r"""
// A workflow with all that Torc reads in KDL
name "all"
user "ada"
description "of it"
use_pending_failed #true
compute_node_wait_for_new_jobs_seconds 30
variables { root "/data"; }
parameters { i "1:2"; }
env { LEVEL "info"; }
slurm_defaults { qos "high"; retries 2; }
resource_monitor { enabled #true; jobs { enabled #false; }; }
execution_config { mode "direct"; stdio { mode "combined"; }; }
file "in_{i}" path="{root}/{i}" { use_parameters "i"; }
file "out" { path "out.txt"; }
user_data "u" { is_ephemeral #true; data "{\"x\": [1, null]}"; }
resource_requirements "small" { num_cpus 2; num_gpus 1; num_nodes 1; memory "1g"; runtime "PT1H"; }
job "first_{i}" {
    command "cat ${files.input.in_{i}}"
    use_parameters "i"
    env { ITEM "{i}"; }
    resource_requirements "small"
}
job "last" {
    command #"echo "x""#
    invocation_script "run"
    depends_on "first_1"
    depends_on_regexes "^first_"
    input_file "in_1"
    input_file "in_2"
    output_file "out"
    input_user_data "u"
    cancel_on_blocking_job_failure #false
    supports_termination #true
    parameters { j "7"; }
    parameter_mode "zip"
}
"""
YAML = r"""
name: all
user: ada
description: of it
use_pending_failed: true
compute_node_wait_for_new_jobs_seconds: 30
variables: {root: /data}
parameters: {i: "1:2"}
env: {LEVEL: info}
slurm_defaults: {qos: high, retries: 2}
resource_monitor: {enabled: true, jobs: {enabled: false}}
execution_config: {mode: direct, stdio: {mode: combined}}
files:
  - {name: "in_{i}", path: "{root}/{i}", use_parameters: [i]}
  - {name: out, path: out.txt}
user_data: [{name: u, is_ephemeral: true, data: {x: [1, null]}}]
resource_requirements:
  - {name: small, num_cpus: 2, num_gpus: 1, num_nodes: 1, memory: 1g, runtime: PT1H}
jobs:
  - name: first_{i}
    command: "cat ${files.input.in_{i}}"
    use_parameters: [i]
    env: {ITEM: "{i}"}
    resource_requirements: small
  - name: last
    command: echo "x"
    invocation_script: run
    depends_on: [first_1]
    depends_on_regexes: [^first_]
    input_files: [in_1, in_2]
    output_files: [out]
    input_user_data: [u]
    cancel_on_blocking_job_failure: false
    supports_termination: true
    parameters: {j: "7"}
    parameter_mode: zip
"""


def read(folder: Path, name: str, text: str) -> Spec:
    path = folder / name
    path.write_text(text)
    return read_spec(path)


def test_kdl_says_the_same_as_yaml(tmp_path: Path) -> None:
    found = read(tmp_path, "s.kdl", KDL)
    assert found == read(tmp_path, "s.yaml", YAML)
    assert [job.name for job in found.jobs] == ["first_1", "first_2", "last"]
