"""Descriptions of what a workflow used and made, which Torc's tools keep here and export."""

import json

from torc_watch.sandbox.server.calls import Answer, Call
from torc_watch.sandbox.server.catalog import catalog
from torc_watch.sandbox.server.paging import Condition
from torc_watch.sandbox.server.resources import listing_of, require_workflow
from torc_watch.sandbox.server.store import Store


def list_entities(call: Call) -> Answer:
    require_workflow(call.store, call.number())
    conditions = [Condition("workflow_id = ?", (call.number(),))]
    return listing_of(call, catalog(call.dialect)["ro_crate_entities"], conditions)


def delete_entities(call: Call) -> Answer:
    require_workflow(call.store, call.number())
    sql = "DELETE FROM ro_crate_entity WHERE workflow_id = ?"
    deleted = call.store.execute(sql, call.number())
    return Answer({"deleted_count": deleted, "message": f"Deleted {deleted} RO-Crate entities"})


def describe_server(store: Store, workflow_id: int) -> None:
    """Note, once for each run, which server it was."""
    run = "SELECT run_id FROM workflow_status WHERE id = ?"
    entity_id = f"#software-torc-server-run-id-{store.value(run, workflow_id)}"
    known = "SELECT 1 FROM ro_crate_entity WHERE workflow_id = ? AND entity_id = ?"
    if store.value(known, workflow_id, entity_id) is not None:
        return
    metadata = {
        "@id": entity_id,
        "@type": ["SoftwareApplication", "prov:SoftwareAgent"],
        "name": "torc-server",
        "version": "1.0.0 (embedded)",
        "torc:git_hash": "embedded",
        "url": "embedded",
    }
    entity = {"workflow_id": workflow_id, "entity_id": entity_id, "metadata": json.dumps(metadata)}
    store.insert("ro_crate_entity", entity | {"entity_type": "SoftwareApplication"})
