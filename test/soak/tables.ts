/**
 * Tables that hold what there is now: however long it goes on, they stay as large as they are. How much room they take
 * for that depends on how often vacuum comes.
 */
export const CURRENT_TABLES: readonly string[] = ["turns", "message_queues", "snapshots", "listeners"];

/**
 * Tables with a row for everything that there ever was. They grow, and what a row takes must not: a table whose rows
 * are changed where they are (runs, outbox, workers) would swell if what was changed were never used again.
 */
export const GROWING_TABLES: readonly string[] = [
  "runs",
  "events",
  "outbox",
  "run_mailbox",
  "approvals",
  "approval_decisions",
  "questions",
  "doubts",
  "message_budgets",
  "memories",
  "workers",
];

/** With fewer rows, what a row takes is a matter of whole pages. */
export const SMALLEST_TABLE = 200;

/** Of those, the ones that get a row now and then: as long as they are small, what all of it takes is looked at. */
export const SLOW_TABLES: readonly string[] = ["workers"];
