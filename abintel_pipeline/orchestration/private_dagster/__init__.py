"""What is borrowed from Dagster's private modules (`dagster._*`): they are imported here alone.

Private names may change in any release. So each stands in a module here that says why it is
needed, what is lost without it and what upstream says; `test_private_dagster.py` fails when Dagster
changes what is used of it. Look there first when Dagster is upgraded, and delete what its public
API has come to offer.

| module             | what the public API lacks (1.13)                          |
|--------------------|-----------------------------------------------------------|
| `finished_outputs` | an output that logs no second materialization             |
| `check_targets`    | a check of one partition of a range, and its materialization |
| `check_states`     | which partitions a check was evaluated for, in one query  |
| `event_logs`       | an event log that keeps its database connections          |
| `sqlite_storage`   | a lock around the making of its databases                 |
| `run_health`       | whether the process of a run is still there               |
"""
