"""Workflow specifications that several tests submit."""

# A job that writes to `runs` when it starts, then waits for its exit code from `end`.
PATIENT = """
name: patient
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT10M }
jobs:
  - name: patient
    command: 'echo >"$TORC_OUTPUT_DIR/runs"; exit "$(cat "$TORC_OUTPUT_DIR/end")"'
    resource_requirements: small
"""
