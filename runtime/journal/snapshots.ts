import { GENESIS, type StoredEvent } from "../core/chain.ts";
import type { Database } from "../core/database.ts";
import { doubtOf, type Snapshots } from "../core/snapshots.ts";
import { toEvents, withBlobs, type EventRow } from "./journal.ts";

/** The snapshot, with the run's first event and all that it does not cover: in one look, so that they fit each other. */
const NEWEST = `
select e.run_id, e.seq, e.type, e.v, e.at, e.data, e.salt, encode(e.payload_hash, 'hex') as "payloadHash",
  encode(e.hash, 'hex') as hash, s.seq as snapshot_seq, case when e.seq = 1 then s.data end as snapshot
from snapshots s join events e on e.run_id = s.run_id and (e.seq = 1 or e.seq >= s.seq - 1)
where s.run_id = $1 order by e.seq`;

const KEEP = `
insert into snapshots (run_id, seq, data) select run_id, $2, $3 from runs where run_id = $1 and ended_at is null
on conflict (run_id) do update set seq = excluded.seq, data = excluded.data, taken_at = excluded.taken_at`;

interface Row extends EventRow, Pick<StoredEvent, "salt" | "payloadHash"> {
  readonly snapshot_seq: number;
  readonly snapshot: string | null;
}

export function createSnapshots(database: Database): Snapshots {
  return {
    async newest(head) {
      const rows = await database.query<Row>(NEWEST, [head.run], "newest_snapshot");
      const [first] = rows;
      if (!first) return { kind: "none" };
      const { snapshot: text, snapshot_seq: seq } = first;
      if (text === null) return { kind: "unusable", why: "The run's first event is missing." };
      const since = rows.filter((row) => row.seq >= seq - 1);
      const why = doubtOf(text, seq, since.map(toStored), head);
      if (why !== null) return { kind: "unusable", why };
      const [start, ...events] = await withBlobs(database, [first, ...since]);
      const [started] = toEvents(start ? [start] : [], GENESIS);
      if (!started) return { kind: "unusable", why: "The run's first event is missing." };
      return { kind: "kept", snapshot: { text, first: started, events: toEvents(events, "") } };
    },
    async keep(run, seq, text) {
      await database.query(KEEP, [run, seq, text], "keep_snapshot");
    },
  };
}

function toStored({ run_id: run, seq, type, v, at, data, salt, payloadHash, hash }: Row): StoredEvent {
  return { run, seq, type, v, at, data, salt, payloadHash, hash };
}
