/** The blocks of what `npm run bench:queries` and `npm run bench:verify` measure. */
import type { Figures } from "./figures.ts";
import { count, ms, number, table } from "./markdown.ts";

export function listsTable({ events, sessions, routes, worst, serverMb }: Figures<"lists">): string {
  return table(
    ["what", "figure"],
    [
      ["in the database", `${count(events)} events in ${count(sessions)} sessions`],
      ["lists, filters, pairs of filters, pages and first frames that were asked for", number(routes)],
      [`the slowest of them, \`${worst.route}\`: median`, ms(worst.p50Ms)],
      ["the same: 99th percentile", ms(worst.p99Ms)],
      ["memory of the console's server after all of it", `${number(serverMb)} MB`],
    ],
  );
}

export function verifyTable({ events, seconds, eventsPerS }: Figures<"verify">): string {
  return table(
    ["what", "figure"],
    [
      [`\`signalbox audit verify\` of ${count(events)} events`, `${number(seconds)} s`],
      ["events a second", number(eventsPerS)],
    ],
  );
}
