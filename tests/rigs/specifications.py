"""Workflows that several tests submit."""

# A job that says when it runs, and goes on when it is told to; how it ends is in the file `end`.
PATIENT = """
name: patient
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT10M }
jobs:
  - name: patient
    command: 'echo >"$TORC_OUTPUT_DIR/runs"; exit "$(cat "$TORC_OUTPUT_DIR/end")"'
    resource_requirements: small
"""
