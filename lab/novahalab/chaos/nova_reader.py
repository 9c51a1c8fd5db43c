"""Runs on OpenStack's Python beside the database: answers each line of input with a snapshot.

The line "requests" asks for what the instances' logs of actions say of evacuations, any other one
for what changes all the time. Nova's own tables tell what its API would, also
while that is stopped, and cost it nothing.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

import json
import sys
from typing import Any

import pymysql

_SECONDS = "UNIX_TIMESTAMP(CONVERT_TZ({}, '+00:00', @@session.time_zone))"
REQUESTS = {
    "requests": "SELECT a.id, a.instance_uuid, e.event, e.host, e.result,"
    f" {_SECONDS.format('a.start_time')} AS asked,"
    f" {_SECONDS.format('e.start_time')} AS began,"
    f" {_SECONDS.format('e.finish_time')} AS ended"
    " FROM instance_actions AS a LEFT JOIN instance_actions_events AS e ON e.action_id = a.id"
    " WHERE a.action = 'evacuate' ORDER BY a.id, e.id",
}
QUERIES = {
    "evacuations": "SELECT id, instance_uuid, source_compute, dest_compute, status,"
    f" {_SECONDS.format('created_at')} AS created"
    " FROM migrations WHERE migration_type = 'evacuation'",
    "services": "SELECT host, forced_down, disabled, disabled_reason"
    " FROM services WHERE `binary` = 'nova-compute' AND deleted = 0",
    "instances": "SELECT uuid, display_name, host, vm_state, task_state, deleted, locked"
    " FROM instances",
}


def main() -> None:
    connection: Any = None
    for line in sys.stdin:
        try:
            if connection is None:
                connection = pymysql.connect(
                    host=sys.argv[1],
                    port=int(sys.argv[2]),
                    user="root",
                    database="nova_cell1",
                    connect_timeout=2,
                    read_timeout=3,
                    write_timeout=3,
                    cursorclass=pymysql.cursors.DictCursor,
                )
            answer = {}
            with connection.cursor() as cursor:
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                for name, query in (REQUESTS if "requests" in line else QUERIES).items():
                    cursor.execute(query)
                    answer[name] = cursor.fetchall()
                connection.rollback()
        except (pymysql.MySQLError, OSError) as error:
            connection = None
            answer = {"error": str(error)}
        print(json.dumps(answer, default=float), flush=True)


main()
