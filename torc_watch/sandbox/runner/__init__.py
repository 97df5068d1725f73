"""The local job runner: a worker process that speaks Torc's runner protocol and runs jobs.

- `process_trees`: finds the processes of each job
- `usage`: computes peak and average resource usage from samples
- `job`: one attempt of one job, from its start until its last process has ended
- `running_jobs`: all jobs of a worker, sampled together
- `free_resources`: the resources that are free on this node
- `outage`: retries calls while the server is unreachable
- `job_claims`, `reports`: claims jobs from the server, reports results to it
- `node`: the compute node, from registration to deregistration
- `torc_run`: runs Torc's own runner instead
- `worker`: the process, its settings and exit codes
- `runner_log`: the runner's log file

The runner enforces limits, measures and reports. It does not diagnose failures or retry jobs.
"""
