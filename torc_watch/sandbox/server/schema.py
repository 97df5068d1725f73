"""The tables: Torc's own, with all columns of both API versions.

A job's status is stored as its name. ``workflow_status`` has the id of its workflow and remains
after the workflow is deleted, as in Torc. AUTOINCREMENT prevents the reuse of a deleted row's id.
"""

from torc_watch.sandbox.server.status_rules import COMPLETE, sql_set

_TABLES = """
CREATE TABLE IF NOT EXISTS workflow_status (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL DEFAULT 0,
  has_detected_need_to_run_completion_script INTEGER NOT NULL DEFAULT 0,
  is_canceled INTEGER NOT NULL DEFAULT 0,
  is_archived INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS workflow (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  status_id INTEGER NOT NULL REFERENCES workflow_status(id),
  name TEXT NOT NULL,
  user TEXT NOT NULL,
  description TEXT,
  timestamp TEXT NOT NULL,
  project TEXT,
  metadata TEXT,
  compute_node_expiration_buffer_seconds INTEGER,
  compute_node_wait_for_new_jobs_seconds INTEGER NOT NULL DEFAULT 90,
  compute_node_ignore_workflow_completion INTEGER NOT NULL DEFAULT 0,
  compute_node_wait_for_healthy_database_minutes INTEGER NOT NULL DEFAULT 20,
  compute_node_min_time_for_new_jobs_seconds INTEGER NOT NULL DEFAULT 300,
  jobs_sort_method TEXT NOT NULL DEFAULT 'gpus_runtime_memory',
  resource_monitor_config TEXT,
  slurm_defaults TEXT,
  use_pending_failed INTEGER,
  execution_config TEXT,
  submission_directory TEXT,
  dynamic_jobs TEXT,
  env TEXT
);
CREATE TABLE IF NOT EXISTS resource_requirements (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  num_cpus INTEGER NOT NULL,
  num_gpus INTEGER NOT NULL,
  num_nodes INTEGER NOT NULL,
  memory TEXT NOT NULL,
  runtime TEXT NOT NULL,
  memory_bytes INTEGER NOT NULL,
  runtime_s INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  command TEXT NOT NULL,
  invocation_script TEXT,
  status TEXT NOT NULL DEFAULT 'uninitialized',
  cancel_on_blocking_job_failure INTEGER NOT NULL DEFAULT 1,
  supports_termination INTEGER NOT NULL DEFAULT 0,
  resource_requirements_id INTEGER REFERENCES resource_requirements(id) ON DELETE CASCADE,
  scheduler_id INTEGER,
  attempt_id INTEGER NOT NULL DEFAULT 1,
  priority INTEGER NOT NULL DEFAULT 0,
  origin TEXT,
  start_time TEXT,
  compute_node_id INTEGER,
  unblocking_processed INTEGER NOT NULL DEFAULT 0,
  env TEXT
);
CREATE TABLE IF NOT EXISTS file (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  st_mtime REAL
);
CREATE TABLE IF NOT EXISTS user_data (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  is_ephemeral INTEGER NOT NULL DEFAULT 0,
  data TEXT
);
CREATE TABLE IF NOT EXISTS job_depends_on (
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  depends_on_job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, depends_on_job_id)
);
CREATE TABLE IF NOT EXISTS job_input_file (
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  file_id INTEGER NOT NULL REFERENCES file(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, file_id)
);
CREATE TABLE IF NOT EXISTS job_output_file (
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  file_id INTEGER NOT NULL REFERENCES file(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, file_id)
);
CREATE TABLE IF NOT EXISTS job_input_user_data (
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  user_data_id INTEGER NOT NULL REFERENCES user_data(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, user_data_id)
);
CREATE TABLE IF NOT EXISTS job_output_user_data (
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  user_data_id INTEGER NOT NULL REFERENCES user_data(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, user_data_id)
);
CREATE TABLE IF NOT EXISTS local_scheduler (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT,
  memory TEXT NOT NULL,
  num_cpus INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS slurm_scheduler (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  account TEXT NOT NULL,
  gres TEXT,
  mem TEXT,
  nodes INTEGER,
  ntasks_per_node INTEGER,
  partition TEXT,
  qos TEXT,
  tmp TEXT,
  walltime TEXT NOT NULL,
  extra TEXT,
  serialize_allocations INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS scheduled_compute_node (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  scheduler_id INTEGER NOT NULL,
  scheduler_config_id INTEGER NOT NULL,
  scheduler_type TEXT NOT NULL,
  status TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS compute_node (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  hostname TEXT NOT NULL,
  pid INTEGER NOT NULL,
  start_time TEXT NOT NULL,
  duration_seconds REAL,
  is_active INTEGER,
  num_cpus INTEGER NOT NULL,
  memory_gb REAL NOT NULL,
  num_gpus INTEGER NOT NULL,
  num_nodes INTEGER NOT NULL,
  time_limit TEXT,
  scheduler_config_id INTEGER,
  compute_node_type TEXT NOT NULL,
  scheduler TEXT,
  end_time TEXT,
  sample_count INTEGER,
  peak_memory_bytes INTEGER,
  avg_memory_bytes INTEGER,
  peak_cpu_percent REAL,
  avg_cpu_percent REAL
);
CREATE TABLE IF NOT EXISTS slurm_stats (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  run_id INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL DEFAULT 1,
  slurm_job_id TEXT,
  max_rss_bytes INTEGER,
  max_vm_size_bytes INTEGER,
  max_disk_read_bytes INTEGER,
  max_disk_write_bytes INTEGER,
  ave_cpu_seconds REAL,
  node_list TEXT,
  UNIQUE (workflow_id, job_id, run_id, attempt_id)
);
CREATE TABLE IF NOT EXISTS result (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  run_id INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL DEFAULT 1,
  compute_node_id INTEGER NOT NULL REFERENCES compute_node(id) ON DELETE CASCADE,
  return_code INTEGER NOT NULL,
  exec_time_minutes REAL NOT NULL,
  completion_time TEXT NOT NULL,
  status TEXT NOT NULL,
  peak_memory_bytes INTEGER,
  avg_memory_bytes INTEGER,
  peak_cpu_percent REAL,
  avg_cpu_percent REAL,
  UNIQUE (job_id, run_id, attempt_id)
);
CREATE TABLE IF NOT EXISTS workflow_result (
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  result_id INTEGER NOT NULL REFERENCES result(id) ON DELETE CASCADE,
  PRIMARY KEY (workflow_id, job_id)
);
CREATE TABLE IF NOT EXISTS workflow_action (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  trigger_type TEXT NOT NULL,
  action_type TEXT NOT NULL,
  action_config TEXT NOT NULL,
  job_ids TEXT,
  trigger_count INTEGER NOT NULL DEFAULT 0,
  required_triggers INTEGER NOT NULL DEFAULT 1,
  executed INTEGER NOT NULL DEFAULT 0,
  executed_at TEXT,
  executed_by INTEGER REFERENCES compute_node(id) ON DELETE SET NULL,
  persistent INTEGER NOT NULL DEFAULT 0,
  is_recovery INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id INTEGER NOT NULL REFERENCES workflow(id) ON DELETE CASCADE,
  operation TEXT NOT NULL,
  only_uninitialized INTEGER NOT NULL,
  user TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT,
  created_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  finished_at_ms INTEGER
);
"""
_INDEXES = f"""
CREATE INDEX IF NOT EXISTS idx_job_workflow_status ON job(workflow_id, status);
CREATE INDEX IF NOT EXISTS idx_job_unblocking ON job(workflow_id)
  WHERE status IN {sql_set(COMPLETE)} AND unblocking_processed = 0;
CREATE INDEX IF NOT EXISTS idx_job_requirements ON job(resource_requirements_id);
CREATE INDEX IF NOT EXISTS idx_job_node ON job(compute_node_id) WHERE compute_node_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_depends_on_blocker ON job_depends_on(depends_on_job_id);
CREATE INDEX IF NOT EXISTS idx_depends_on_workflow ON job_depends_on(workflow_id);
CREATE INDEX IF NOT EXISTS idx_input_file ON job_input_file(file_id);
CREATE INDEX IF NOT EXISTS idx_output_file ON job_output_file(file_id);
CREATE INDEX IF NOT EXISTS idx_input_user_data ON job_input_user_data(user_data_id);
CREATE INDEX IF NOT EXISTS idx_output_user_data ON job_output_user_data(user_data_id);
CREATE INDEX IF NOT EXISTS idx_result_workflow ON result(workflow_id);
CREATE INDEX IF NOT EXISTS idx_result_node ON result(compute_node_id);
CREATE INDEX IF NOT EXISTS idx_workflow_result ON workflow_result(result_id);
CREATE INDEX IF NOT EXISTS idx_workflow_result_job ON workflow_result(job_id);
CREATE INDEX IF NOT EXISTS idx_requirements_workflow ON resource_requirements(workflow_id);
CREATE INDEX IF NOT EXISTS idx_file_workflow ON file(workflow_id);
CREATE INDEX IF NOT EXISTS idx_user_data_workflow ON user_data(workflow_id);
CREATE INDEX IF NOT EXISTS idx_scheduled_node_workflow ON scheduled_compute_node(workflow_id);
CREATE INDEX IF NOT EXISTS idx_compute_node_workflow ON compute_node(workflow_id);
CREATE INDEX IF NOT EXISTS idx_action_workflow ON workflow_action(workflow_id);
"""

# Workflows in which a job failed since the server started: a restarted one has forgotten them.
_MEMORY = "CREATE TEMP TABLE failed_workflow (id INTEGER PRIMARY KEY);"
SCHEMA = _TABLES + _INDEXES + _MEMORY

# Columns that a database of an earlier torc-watch does not have.
ADDED_COLUMNS = (("workflow", "env", "TEXT"), ("job", "env", "TEXT"))
