"""The local job runner: a worker process that speaks Torc's runner protocol and runs jobs itself.

- `processes`: which processes of this machine belong to which job, and what they use
- `usage`: samples of a job's processes to peak and average
- `job`: one attempt of one job, from its start to an empty process tree
- `jobs`: all jobs of a worker, sampled together
- `resources`: what is free on this node
- `patience`: outlasting a server that is away
- `claims`, `reporting`: jobs from the server, results to it
- `node`: a compute node's life, from its registration to its end
- `torc_run`: Torc's own runner as the node instead
- `worker`: the process, its settings and its exit codes

Nothing here diagnoses or retries: it enforces limits, measures, and tells the server the truth.
"""
